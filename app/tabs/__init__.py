"""One module a tab: plain handlers first, the wiring last."""

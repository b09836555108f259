"""Dataset tab: counts, galleries and bulk changes of the cards, as plain values for the page."""

"""All measurements of one side of a card, and the inputs and training targets made from them."""

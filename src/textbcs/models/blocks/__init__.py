"""Parts that several methods share. A method's own parts lie in its folder."""

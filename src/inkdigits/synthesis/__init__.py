"""Pictures made up to learn from: digits of MNIST written anew by other hands, with other pens, on other paper.

`strokes` draws shapes, `signs` those of dates, sums and amounts, `typefaces` has letters, words and digits of
typefaces, `glyphs` writes digits in a hand, and `paper` gives them paper, light and a camera. From these `pages` makes
pages of numbers with the place of every digit, and `crops` pictures of one digit or of none, as networks see them;
`sets` makes many crops at once. The same random generator always makes the same picture.
"""

VERSION = 5
"""Raised when the same random generator makes other crops than before."""

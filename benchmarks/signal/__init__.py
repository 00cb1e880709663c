"""Plants known things into invented streams of a shop and judges what the product reports of them.

`shop`, `people`, `visits` invent normal life; `planted` and `incidents` plant; neither knows a threshold of the
product. `streams` puts them together, `run` runs the product, `judge` and `figures` compare with the truth.
"""

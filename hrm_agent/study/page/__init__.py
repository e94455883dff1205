"""A study as one page: numbers and puzzles as data, and the scripts that draw them in a browser.

``plotly-basic.min.js`` is that of the npm package plotly.js-basic-dist-min 4.1.1 (MIT license, ``plotly-LICENSE``), the
smallest bundle of plotly.js with lines, points and bars.
"""

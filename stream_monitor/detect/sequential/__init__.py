"""Detectors that read the stream in the order of its time, slice by slice, and say when it changed.

Read `shift` (what they answer), `entries` (slices as numbers), `dispersion` (how many independent events a slice is worth),
`adwin` and `page_hinkley` (who suspects a change), `latch` (which suspicion is reported, once), `plugin` (detectors of river by name),
`watch` (all of it for one stream).
"""

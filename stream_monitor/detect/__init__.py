"""Step 5, what we conclude: a window's profile against the baseline's becomes scores, and some scores become findings.

Read `pair` (both profiles as matrices), `detector` (what every detector answers), the families (`distances`, `quality`: one file each),
`attributions` (which features count), `volume` and `operations` (windows against earlier ones), `outcomes/` (model quality and bias, from
what labels said; it has its own reading order), `gate` (is a difference real?), `decide` (large and real: a finding), `report` (the window
scores people see). A new distance is one function and one row in `distances.DISTANCES`; a new family is one file and one line in
`registry`.
"""

"""Step 2, what we keep: one mergeable summary of events.

Read `layout` (where counts stand), `profile` (the summary and its merge), `operations` (its part on calls), `anomalies` (on strange
events), `kernels` (how columns become counts), `codec` (bytes). What labels say has a form of its own: `outcome` (its layout),
`outcome_rows` (how events and labels become it), `weights` (what rows of a sample stand for).
"""

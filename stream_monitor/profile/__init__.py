"""Step 2, what we keep: one mergeable summary of events.

Read `layout` (where counts stand), `profile` (the summary and its merge), `operations` (its part on calls), `anomalies` (on strange
events), `kernels` (how columns become counts), `codec` (bytes).
"""

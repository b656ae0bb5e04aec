"""Step 6, what we say: findings become alerts with a life, published on the alerts topic.

Read `alert` (the message), `evidence` (what moved, and examples), `summary` (one sentence for a person), `publication` (how a message is
made), `cause` (which findings are one alert), `changes` (since when), `life` (when one is due: firing, updated, resolved),
`investigation` (what contributed to a change).
"""

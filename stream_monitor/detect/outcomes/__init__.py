"""What labels, scores and groups say of a model: pure functions of one vector of `profile.outcome`, all with intervals.

Read `measure` (what they answer), `intervals` (how sure), `quality` (with labels; its parts are `confusion`, `classes`, `scores`,
`regression`), `constant` (what a constant answer would reach), `estimators` (without labels: `estimated` by scores,
`confidence` by those of several classes, `expected_error` of numbers), `bias` and `pre_training` (between groups),
`coverage` (who has a label at all), `metrics` (every metric: direction, allowed drop, formula, source) and `verdict` (is it bad, surely?).
"""

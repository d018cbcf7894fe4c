"""Demonstrations: datasets on the disk, from recorded episodes, and for training. See docs/datasets.md.

`episode` says what one holds, `writing` and `reading` are the folder, `dataset` is what training sees.
`recording`, `inspecting`, `resampling` and `building` make one from bags; `features`, `describing`, `charts`,
`sheet` and `page` show one.
"""

"""What the accuracy reward is made of, from text to verdict. The policy is in `open_r1.rewards.accuracy`.

    completion ─► answers (phrases) ─┐
                                     ├─► notation (spelling, numerals) ─► equality ─► algebra, in a worker
    gold ───────► golds ─────────────┘                                    (structure, units, words)

`phrases` and `spelling` are tables: that is where a new wording or a new sign goes.
"""

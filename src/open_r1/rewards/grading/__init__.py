"""What the accuracy reward is made of, from text to verdict. The policy is in `open_r1.rewards.accuracy`.

completion ─► answers ─┐
                       ├─► notation ─► equality (structure, units) ─► algebra (in a worker) ─► verdict
gold ───────► golds ───┘
"""

"""Targets of Q-learning with n steps in plain loops, one decision at a time: the path is followed step by step."""


def _best(values):
    return max(range(len(values)), key=lambda action: values[action])


def td_target(reward, terminated, left, online, slow, start, discount, double, path=None):
    """The target of one decision (position, action) = `start`.

    reward, terminated: nested lists [n][P][A] of the steps at the rows 0 .. n-1 after the decision's.
    left: decisions that the segment has left, the first one counted.
    online, slow: [n + 1][P][A] action values at the rows 0 .. n.
    path: actions that followed the first; None follows the greedy ones.
    """
    position, action = start
    total, factor = 0.0, 1.0
    for k in range(len(reward)):
        total += factor * reward[k][position][action]
        if terminated[k][position][action]:
            return total
        factor *= discount
        position, row = action, k + 1
        if row == len(reward) or row == left:
            chooser = online if double else slow
            return total + factor * slow[row][position][_best(chooser[row][position])]
        action = _best(online[row][position]) if path is None else path[k]
    raise AssertionError("unreachable")

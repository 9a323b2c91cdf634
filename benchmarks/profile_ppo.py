"""Where the time of an update of PPO goes: its parts, each compiled and timed alone on the shapes of the benchmark.

The parts are called in turn, many times over; the median of each is shown beside the whole update. What XLA fuses
across the parts, and the calls themselves (tens of microseconds each), make their sum differ from the whole.

Usage: .venv/bin/python benchmarks/profile_ppo.py [--passes 1 2] [--repeat 5]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

from our_training import job_of, settings_of
from random_walk import arguments_of
from training_speed import BARS, FEATURES, SHIPPED, WORK, kiloflop_to_act, kiloflop_to_learn, roofline

from outsample.agents.runtime import configure_jax

# Names of parts that the table works with.
WHOLE, COLLECT, ACT, ROLLOUT, ADVANTAGES = "update", "collect", "forward passes to act", "rollout", "advantages"
SHUFFLE, LEARN, PRODUCTS, ADAMW = "shuffle", "learn", "products", "AdamW"
ROUND = 40  # calls
DECISIONS = WORK["ppo"].walkers * WORK["ppo"].length

Part = tuple[Callable[..., Any], tuple[Any, ...]]


def parts_of(passes: int) -> dict[str, Part]:
    """Name -> a jitted function and its arguments: the whole update, and what it is made of."""
    import jax
    import jax.numpy as jnp
    import optax

    from outsample.agents import actor_critic, ppo
    from outsample.agents.network import row_outputs
    from outsample.agents.rollout import roll_out, segment_bars
    from outsample.agents.training import optimiser_of

    work = WORK["ppo"]
    settings = settings_of("ppo", work.updates, work.length, passes)
    program, market, numbers, hyper = arguments_of("ppo", settings, BARS, FEATURES)
    job = job_of(BARS, FEATURES, work.walkers // passes, work.length)
    bars = segment_bars(program, market, job, work.length)
    state, inputs = ppo.begin(program, market, numbers, hyper, job)
    params, moments = state
    given = jax.tree.map(lambda x: x[0], inputs)
    steps = settings["epochs"] * settings["minibatches"]
    actor, critic = program.head(len(program.actions)), program.head(1)
    batch, _ = actor_critic._collect(program, numbers, hyper, bars, params, given.draws)
    rows = batch.features.shape[0]
    size = rows // settings["minibatches"]

    def acting(params: Any, bars: Any) -> Any:
        logits = row_outputs(actor, params["actor"], bars.features[:-1])
        return jax.nn.log_softmax(logits), row_outputs(critic, params["critic"], bars.features)

    def walking(bars: Any, log_policy: jax.Array, draws: Any) -> Any:
        return roll_out(program, numbers, bars, log_policy, draws)

    def estimating(rollout: Any, value: jax.Array) -> jax.Array:
        rest = rollout.terminated, rollout.valid, hyper.discount, hyper.gae_lambda
        return actor_critic.advantages(rollout.log_return, value, value, *rest)

    def shuffling(batch: Any, drawn: Any) -> Any:
        order = actor_critic._affine_order(drawn, rows, size)
        return jax.tree.map(lambda x: x[order], batch)

    def learning(optimiser: optax.GradientTransformation) -> Callable[..., Any]:
        return lambda batch, state, given: actor_critic._learn(
            program, hyper, hyper.clip, optimiser, batch, state, given
        )

    def multiplying(params: Any, features: jax.Array) -> Any:
        """The matrix products of the learning alone: no biases, rectifiers or loss."""

        def outputs(params: Any, x: jax.Array) -> jax.Array:
            for layer in ("hidden", "deeper_0", "out"):
                x = x @ params[layer]["kernel"]
            return (x**2).sum()  # its gradient depends on the outputs

        def step(total: Any, index: jax.Array) -> tuple[Any, None]:
            x = jax.lax.dynamic_slice_in_dim(features, index % settings["minibatches"] * size, size)
            gradient = jax.grad(lambda params: outputs(params["actor"], x) + outputs(params["critic"], x))(params)
            return jax.tree.map(jnp.add, total, gradient), None

        return jax.lax.scan(step, params, jnp.arange(steps))[0]

    def stepping(params: Any, moments: Any) -> Any:
        """AdamW as often as an update takes it, on gradients which are the parameters."""

        def step(state: Any, _: None) -> tuple[Any, None]:
            change, moments = optimiser_of(program, hyper).update(state[0], state[1], state[0])
            return (optax.apply_updates(state[0], change), moments), None

        return jax.lax.scan(step, (params, moments), None, length=steps)[0]

    uniform = jnp.full((*bars.fill.shape, 3, 3), -jnp.log(3.0))
    rollout = walking(bars, uniform, given.draws)
    plain = optax.sgd(1e-6)  # a gradient step that costs next to nothing
    parts: dict[str, Part] = {
        WHOLE: (ppo.updater(program, market, numbers, hyper, job), (state, given)),
        COLLECT: (
            lambda *given: actor_critic._collect(program, numbers, hyper, *given),
            (bars, params, given.draws),
        ),
        ACT: (acting, (params, bars)),
        ROLLOUT: (walking, (bars, uniform, given.draws)),
        ADVANTAGES: (estimating, (rollout, rollout.log_return)),
        LEARN: (learning(plain), (batch, actor_critic.State(params, plain.init(params)), given)),
        SHUFFLE: (shuffling, (batch, given.order)),
        PRODUCTS: (multiplying, (params, batch.features)),
        ADAMW: (stepping, (params, moments)),
    }
    return {name: (jax.jit(function), given) for name, (function, given) in parts.items()}


def table(took: dict[str, float], unit: float) -> list[str]:
    """The parts as Markdown.

    Args:
        took: microseconds of each part.
        unit: microseconds at the roofline of one kiloflop for each row of the network.
    """
    collecting = took[COLLECT] - took[ACT] - took[ROLLOUT] - took[ADVANTAGES]
    learning = took[LEARN] - took[SHUFFLE] - took[PRODUCTS]
    act, learn = unit * kiloflop_to_act("ppo"), unit * kiloflop_to_learn("ppo")
    rows = {
        "rollout: forward passes of the actor and the critic": (took[ACT], act),
        "rollout: the walk through the market": (took[ROLLOUT], 0),
        "advantages": (took[ADVANTAGES], 0),
        "the rest of collecting: normalising, the batch": (collecting, 0),
        "shuffle": (took[SHUFFLE], 0),
        "learning: matrix products, forward and backward": (took[PRODUCTS], learn),
        "learning: activations, loss, slices": (learning, 0),
        "learning: AdamW": (took[ADAMW], 0),
    }
    between = took[WHOLE] - sum(microseconds for microseconds, _ in rows.values())
    rows |= {"the whole less the sum of the parts": (between, 0), "the whole update": (took[WHOLE], act + learn)}
    lines = [
        "| part | microseconds | share | its matrix products at the roofline (microseconds) |",
        "|---|---|---|---|",
    ]
    for name, (microseconds, least) in rows.items():
        lines.append(
            f"| {name} | {microseconds:,.0f} | {microseconds / took[WHOLE]:.0%} | {f'{least:,.0f}' if least else '-'} |"
        )
    return lines


def timed(parts: dict[str, Part], calls: int) -> dict[str, float]:
    """Median microseconds of each part."""
    import jax

    took: dict[str, list[float]] = {name: [] for name in parts}
    for call in range(calls + 1):  # the first compiles and is left out
        for name, (function, given) in parts.items():
            begin = time.perf_counter()
            jax.block_until_ready(function(*given))
            if call:
                took[name].append(1e6 * (time.perf_counter() - begin))
    return {name: statistics.median(values) for name, values in took.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passes", type=int, nargs="+", default=[1, SHIPPED["ppo"]])
    parser.add_argument("--repeat", type=int, default=5, help=f"rounds of {ROUND} calls of each part")
    options = parser.parse_args()
    core = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    calls = ROUND * options.repeat
    print(f"One pinned core, medians of {calls} calls in turn. An update of PPO has {DECISIONS} decisions here,")
    print(f"on {FEATURES} features and with two networks of 64 x 64 rectified units, as in the training benchmark.")
    with tempfile.TemporaryDirectory() as cache:
        configure_jax(cache)
        for passes in options.passes:
            took = timed(parts_of(passes), calls)
            print(f"\nWith `passes` {passes}:\n")
            print(*table(took, DECISIONS / passes / roofline(core)), sep="\n", flush=True)


if __name__ == "__main__":
    main()

"""The generator's training step: two networks, their optimisers, their losses.

A ``Trainer`` is all that a run depends on; ``train.py`` has the loop, checkpoints and command line.
"""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from training import disturb, losses, regions
from training.appearance import glimpses
from training.discriminator import Discriminator, ProjectedDiscriminator
from training.faces import Sampler
from training.following import follow
from training.growing import grow, grown
from training.model import Generator, IdentityBlock
from training.muon import Muon
from training.readers import Readers
from training.recipe import Recipe
from training.teacher import CROP_PX

MOMENTUM = 0.9  # of Muon; less than where no discriminator answers to every step
ON_IDENTITY = ("identity", "second_identity", "third_identity", "leaving")
CHROMA_PX = 4  # side of the cells whose colour must stay


@dataclass(frozen=True, eq=False)
class Swapped:
    """What one step leaves to the next: swaps to be brought back, and where they came from."""

    pictures: Tensor
    originals: np.ndarray
    mirrored: np.ndarray
    shut: np.ndarray
    lights: Tensor

    def state(self) -> dict[str, Tensor]:
        """As plain tensors, which a checkpoint can hold without code."""
        return {
            "pictures": self.pictures,
            "originals": torch.from_numpy(self.originals),
            "mirrored": torch.from_numpy(self.mirrored),
            "shut": torch.from_numpy(self.shut),
            "lights": self.lights,
        }

    @staticmethod
    def of(state: dict[str, Tensor]) -> Swapped:
        rest = (state[name].numpy() for name in ("originals", "mirrored", "shut"))
        return Swapped(state["pictures"], *rest, state["lights"])


class Trainer:
    """Networks, optimisers and random states of a run; ``step`` is one update of each."""

    def __init__(
        self,
        recipe: Recipe,
        sampler: Sampler,
        teacher: nn.Module,
        recognizer: nn.Module,
        expression: nn.Module | None = None,
        third: nn.Module | None = None,
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.sampler = recipe, sampler
        self.readers = Readers(recipe, sampler.faces, teacher, recognizer, expression, third)
        self.generator = Generator(recipe.shape, recipe.size).to(memory_format=torch.channels_last)
        if self.generator.appearance is not None:
            self.generator.appearance.requires_grad_(False)
        paint = self.generator.paint
        self.paint = torch.compile(paint) if recipe.compiled else paint
        judge = _projected(recognizer) if recipe.projected else Discriminator(recipe.discriminator)
        self.discriminator = judge.to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.generator).requires_grad_(False).eval()
        betas = (recipe.beta1, recipe.beta2)
        turned = _blocks(self.generator) if recipe.turn else []
        self.muon = Muon(turned, recipe.turn, MOMENTUM) if turned else None
        apart = set(turned)
        self.g_optimiser = torch.optim.Adam(
            [p for p in self.generator.parameters() if p.requires_grad and p not in apart],
            recipe.generator_rate,
            betas,
        )
        self.d_optimiser = torch.optim.Adam(
            self.discriminator.parameters(), recipe.discriminator_rate, betas
        )
        self.rng = np.random.default_rng(recipe.seed)
        self.torch_rng = torch.Generator().manual_seed(recipe.seed)
        self.steps = self.began = 0
        self.samples = 0
        self.last: Swapped | None = None
        size = recipe.size
        self.core, self.face = regions.core(size), regions.face(size)
        self.rim, self.toned = regions.rim(size), regions.toned(size)
        self.shown = regions.shown(size)
        self.focus = 0.05 + self.face
        self.repair_weight = 0.3 + self.face + 3 * regions.features(size)
        self._forget()

    def step(self) -> dict[str, float]:
        """One update of discriminator, generator and average; the losses by name."""
        recipe, faces = self.recipe, self.sampler.faces
        chosen = self.sampler.draw(recipe.swaps, self.rng)
        mirrored = self.rng.random(recipe.swaps) < 0.5
        shut = self._shut(recipe.swaps)
        lights = disturb.lights(recipe.swaps, recipe.dimmed, self.torch_rng)
        targets = faces.batch(chosen, recipe.size, mirrored, shut) * lights
        sources = self.sampler.draw(recipe.swaps, self.rng)
        if recipe.moved:
            grid = disturb.moves(recipe.moved, 1.0, recipe.size, self.torch_rng)
            targets = torch.cat([targets, disturb.moved(targets[: recipe.moved], grid)])
        broken, originals, owners = self._repairs()
        own = self.sampler.other_photo(owners, self.rng)
        given = self._given(np.concatenate([sources, own]))
        twice = torch.cat([torch.arange(recipe.swaps), torch.arange(recipe.moved)])
        given = torch.cat([given[: recipe.swaps][twice], given[recipe.swaps :]])
        shown, kept = torch.cat([self._veiled(targets), broken]), torch.cat([targets, broken])
        if self.generator.veil is not None:
            fineness = torch.rand(recipe.swaps + len(broken), 1, 1, 1, generator=self.torch_rng)
            fineness = torch.cat([fineness[twice], fineness[recipe.swaps :]])
            shown = self.generator.veil(kept, fineness)
            kept = torch.cat([targets, shown[len(targets) :]])
        with self._precision():
            made, mask = self.paint(shown, given, kept)
        made, mask = made.float(), mask.float()
        real = torch.cat([targets, originals])
        shows = np.concatenate([chosen, chosen[: recipe.moved], owners])
        seen = regions.seen(faces.filler(shows), recipe.size)
        made = made * seen + real * (1 - seen)

        told = slice(None) if recipe.repairs_judged else slice(len(targets))
        d_loss = self._update_discriminator(real[told], made[told].detach())
        parts = self._generator_losses(real, made, mask, seen)
        if recipe.moved:
            once, again = made[: recipe.moved], made[recipe.swaps : len(targets)]
            parts["steady"] = losses.weighted_l1(disturb.moved(once, grid), again, self.face)
        if any(getattr(recipe, name) for name in ON_IDENTITY):
            swapped = torch.lerp(targets[: recipe.swaps], made[: recipe.swaps], self.shown)
            parts |= self.readers.likeness(swapped, sources, chosen, self.torch_rng)
        swaps, there = made[: len(targets)], seen[: len(targets)]
        if recipe.expression:
            parts["expression"] = self.readers.misread(swaps, targets, self.torch_rng)
        if recipe.chroma:
            weight, cells = self.face * self.toned * there, recipe.size // CHROMA_PX
            parts["chroma"] = losses.chroma(swaps, targets, weight, cells)
        if recipe.drawn:
            parts["drawn"] = losses.drawn(swaps, targets, self.rim * there)
        if recipe.restless:
            known = targets[: recipe.swaps], faces.batch(sources, recipe.size)
            weight = self.face * there[: recipe.swaps]
            parts["restless"] = losses.restless(made[: recipe.swaps], known, weight)
        if recipe.perceptual:
            few = slice(-recipe.perceived, None)
            parts["perceptual"] = self.readers.perceptual(made[few], real[few])
        total = torch.stack([self._weight(name) * value for name, value in parts.items()]).sum()
        self.generator.zero_grad(set_to_none=True)
        total.backward()
        self.g_optimiser.step()
        if self.muon is not None:
            self.muon.step()

        self.steps += 1
        self.samples += recipe.swaps + recipe.moved + recipe.repairs
        keep = min(recipe.averaging, (1 + self.steps) / (10 + self.steps))
        follow(self.average, self.generator, keep)
        self.last = Swapped(made[: recipe.swaps].detach(), chosen, mirrored, shut, lights)
        return {name: float(value.detach()) for name, value in parts.items()} | {
            "discriminator": d_loss,
            "total": float(total.detach()),
        }

    def _veiled(self, targets: Tensor) -> Tensor:
        """The first ``veiled_share`` of the targets with the face blurred."""
        count = round(self.recipe.veiled_share * len(targets))
        if not count:
            return targets
        veiled = disturb.spoiled(targets[:count], self.recipe.spoil_cells, 0.0, self.torch_rng)
        return torch.cat([veiled, targets[count:]])

    def _shut(self, count: int) -> np.ndarray:
        """How far each picture's eyes are closed: most not at all, of the others half wholly."""
        blinks = self.rng.random(count) < self.recipe.blinking
        return blinks * np.minimum(self.rng.uniform(0.4, 1.6, count), 1.0)

    def _precision(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.half_precision)

    def _given(self, chosen: np.ndarray) -> Tensor:
        """What the generator is told of these faces: ours or the teacher's embedding, disturbed,
        and the appearance of their photo, spoiled so that it cannot tell pose, light or place."""
        faces, recipe = self.sampler.faces, self.recipe
        ours = self.rng.random((len(chosen), 1)) < recipe.recognised_share
        found = np.where(ours, faces.recognised[chosen], faces.embeddings[chosen])
        embedding = disturb.noisy(torch.from_numpy(found), recipe.embedding_noise, self.torch_rng)
        if self.generator.appearance is None:
            return embedding
        with torch.no_grad(), self._precision():
            crops = glimpses(faces, chosen, recipe.source_strength, self.torch_rng)
            appearance = self.generator.appearance(crops)
        appearance = disturb.noisy(appearance, recipe.appearance_noise, self.torch_rng)
        return torch.cat([embedding, appearance], dim=1)

    def _repairs(self) -> tuple[Tensor, Tensor, np.ndarray]:
        """Pictures to repair, their originals, and whose they are; swaps come last."""
        recipe, faces, count = self.recipe, self.sampler.faces, self.recipe.repairs
        spoiled_only = self.steps < recipe.spoiled_steps or self.last is None
        share = 1.0 if spoiled_only else recipe.spoiled_share
        fresh = max(round(share * count), 0 if self.last is None else count - recipe.swaps)
        owners = self.sampler.draw(fresh, self.rng)
        mirrored = self.rng.random(fresh) < 0.5
        originals = faces.batch(owners, recipe.size, mirrored, self._shut(fresh))
        originals = originals * disturb.lights(fresh, recipe.dimmed, self.torch_rng)
        broken = disturb.bearded(originals, recipe.bearded, self.torch_rng)
        if self.generator.veil is None:
            cells, warp = recipe.spoil_cells, recipe.spoil_warp
            broken = disturb.spoiled(broken, cells, warp, self.torch_rng)
        if fresh == count or self.last is None:
            return broken, originals, owners
        back = count - fresh
        swapped = self.last.pictures[:back]
        noise = torch.randn(swapped.shape, generator=self.torch_rng) * 0.01
        last = self.last
        before = faces.batch(
            last.originals[:back], recipe.size, last.mirrored[:back], last.shut[:back]
        )
        before = before * last.lights[:back]
        return (
            torch.cat([broken, swapped + noise]),
            torch.cat([originals, before]),
            np.concatenate([owners, self.last.originals[:back]]),
        )

    def _update_discriminator(self, real: Tensor, made: Tensor) -> float:
        recipe = self.recipe
        self.discriminator.requires_grad_(True)
        with self._precision():
            both = self.discriminator(torch.cat([real, made]))
        count = len(real)
        loss = losses.hinge_discriminator(
            [[m[:count] for m in maps] for maps in both],
            [[m[count:] for m in maps] for maps in both],
            self.focus,
        )
        value = float(loss.detach())
        if recipe.penalty_every and self.steps % recipe.penalty_every == 0:
            slope = losses.gradient_penalty(self.discriminator, real[: max(count // 2, 1)])
            loss = loss + recipe.penalty * recipe.penalty_every / 2 * slope
        self.d_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.d_optimiser.step()
        self.discriminator.requires_grad_(False)
        return value

    def _forget(self) -> None:
        """Let the generator hear erased embeddings only."""
        if self.readers.erasers:
            for network in (self.generator, self.average):
                network.identity.kept.copy_(self.readers.erasers[1].change)

    def _weight(self, name: str) -> float:
        recipe, weight = self.recipe, float(getattr(self.recipe, name))
        if name not in ON_IDENTITY:
            return weight
        share = min((self.steps - self.began) / recipe.identity_steps, 1.0)
        return weight * (recipe.identity_start + (1 - recipe.identity_start) * share)

    def _generator_losses(
        self, real: Tensor, made: Tensor, mask: Tensor, seen: Tensor
    ) -> dict[str, Tensor]:
        """By the name of their weight in the recipe."""
        n = self.recipe.swaps + self.recipe.moved
        with self._precision():
            judged = self.discriminator(made)
        with torch.no_grad(), self._precision():
            wanted = self.discriminator(real)
        swaps = (
            [[m[:n] for m in maps] for maps in judged],
            [[m[:n] for m in maps] for maps in wanted],
        )
        back = (
            [[m[n:] for m in maps] for maps in judged],
            [[m[n:] for m in maps] for maps in wanted],
        )
        told = judged if self.recipe.repairs_judged else swaps[0]
        weight = self.repair_weight * seen[n:]
        outside = (1 - self.face) * seen[:n]
        return {
            "adversarial": losses.hinge_generator(told, self.focus),
            "matching": losses.feature_matching(*swaps, self.recipe.matching_layers),
            "tone": losses.coarse_l1(made[:n], real[:n], self.toned * seen[:n], 8),
            "outside": losses.weighted_l1(made[:n], real[:n], outside),
            "closed": ((1 - mask) * self.core).sum() / (self.core.sum() * len(mask)),
            "repair": losses.weighted_l1(made[n:], real[n:], weight),
            "edges": losses.gradient_l1(made[n:], real[n:], weight),
            "repair_matching": losses.feature_matching(*back, "original"),
        }

    def state(self) -> dict[str, Any]:
        """Everything the next step depends on."""
        return {
            "recipe": asdict(self.recipe),
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "average": self.average.state_dict(),
            "g_optimiser": self.g_optimiser.state_dict(),
            "muon": self.muon and self.muon.state_dict(),
            "d_optimiser": self.d_optimiser.state_dict(),
            "rng": self.rng.bit_generator.state,
            "torch_rng": self.torch_rng.get_state(),
            "steps": self.steps,
            "began": self.began,
            "samples": self.samples,
            "last": self.last and self.last.state(),
        }

    def know(self, appearance: dict[str, Tensor]) -> None:
        """Take over an appearance network's weights."""
        for network in (self.generator, self.average):
            if network.appearance is None:
                raise ValueError("the recipe has no appearance: set shape.appearance to its length")
            network.appearance.load_state_dict(appearance)

    def begin_from(self, generator: Generator) -> None:
        """Take over a generator's weights."""
        for network in (self.generator, self.average):
            network.load_state_dict(generator.state_dict())
        self._forget()

    def judge_by(self, kept: dict[str, Tensor]) -> None:
        """Take over a discriminator, as ``training.export`` keeps it.

        :raises RuntimeError: when it is of another build than the recipe's.
        """
        self.discriminator.load_state_dict(kept)

    def restore(self, state: dict[str, Any], *, same_run: bool) -> None:
        """Take up a checkpoint; another run's gives its weights and optimisers only.

        A discriminator of another build than the recipe's starts anew, and so do the optimiser's
        means of a generator that has grown; its new layers keep their closed start.
        """
        before = state["recipe"]
        fresh = (
            tuple(before["discriminator"]) != self.recipe.discriminator
            or before["projected"] != self.recipe.projected
        )
        skipped = {"discriminator", "d_optimiser"} if fresh else set()
        moved_alike = bool(state.get("muon")) == bool(self.muon)
        if grown(self.generator, state["generator"]) or not moved_alike:
            skipped |= {"g_optimiser", "muon"}
        for name in {"generator", "discriminator", "average"} - skipped:
            load = grow if name in ("generator", "average") else nn.Module.load_state_dict
            load(getattr(self, name), state[name])
        self._forget()
        self.samples = state["samples"]
        self.steps = state["steps"]
        self.began = state["began"] if same_run else self.steps
        optimisers = {"g_optimiser", "d_optimiser"} | ({"muon"} if self.muon else set())
        for name in optimisers - skipped:
            optimiser = getattr(self, name)
            rates = [group["lr"] for group in optimiser.param_groups]
            optimiser.load_state_dict(state[name])
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate
        if same_run:
            self.rng.bit_generator.state = state["rng"]
            self.torch_rng.set_state(state["torch_rng"])
            self.last = state["last"] and Swapped.of(state["last"])
        else:  # or the same pictures would come in the same order as in that run
            self.rng = np.random.default_rng((self.recipe.seed, self.steps))
            self.torch_rng.manual_seed(int(self.rng.integers(2**62)))


def _blocks(generator: Generator) -> list[nn.Parameter]:
    """Weights whose length has no effect, as an AdaIN follows."""
    blocks = [m for m in generator.swapper.modules() if isinstance(m, IdentityBlock)]
    return [conv.weight for block in blocks for conv in (block.first, block.second)]


def _projected(recognizer: nn.Module) -> ProjectedDiscriminator:
    with torch.no_grad():
        maps = recognizer.maps(torch.zeros(1, 3, CROP_PX, CROP_PX))[:-1]
    return ProjectedDiscriminator(recognizer.maps, [m.shape[1] for m in maps])

"""What may be wrong with training data: rules over the facts of all frames, each of which names the frames it means."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .data_facts import Facts

PLAUSIBLE_M = 1.5, 90.0  # of the median depth of a kind in a frame
OUTSIDE = 0.01  # share of labels that may lie outside the image, by rounding
FOCAL = 1.3  # focal lengths of a source differ by less than this factor
AGREE = 1.25  # what is measured and a dense map agree within this factor in the median
ALIKE = 0.04  # share of the look's pixels in which two pictures of one moment may differ


@dataclass(frozen=True, slots=True)
class Fault:
    """Something about frames: `wrong` must be repaired, else it is only suspicious."""

    text: str
    frames: tuple[str, ...]
    wrong: bool = False


def find_faults(facts: Sequence[Facts], train: Sequence[str] = (), val: Sequence[str] = (),
                kinds: Collection[str] = ()) -> list[Fault]:
    """Return what is wrong or suspicious, the wrong first; train and val name the sources that must be apart.

    `kinds` of label are trained on; without any it is all one whether a frame has labels.
    """
    faults = [*unreadable(facts)]
    read = [fact for fact in facts if not fact.error]
    faults += [*outside(read), *implausible(read), *disagreeing(read), *odd_focal(read), *duplicates(read)]
    if kinds:
        faults += unlabelled([fact for fact in read if fact.source in train], kinds)
    sides = [[fact for fact in facts if fact.source in side] for side in (train, val)]
    faults += [*shared_drives(*sides), *shared_images(*sides)]
    return sorted(faults, key=lambda fault: not fault.wrong)


def unreadable(facts: Iterable[Facts]) -> list[Fault]:
    """Name the frames that cannot be read, each with its reason."""
    return [Fault(f'cannot be read: {fact.error}', (fact.name,), wrong=True) for fact in facts if fact.error]


def grouped(facts: Iterable[Facts], text: str, is_odd: Callable[[Facts], bool], wrong: bool = False) -> list[Fault]:
    """Return one fault for all frames that are odd."""
    names = tuple(fact.name for fact in facts if is_odd(fact))
    return [Fault(text, names, wrong)] if names else []


def outside(facts: Sequence[Facts]) -> list[Fault]:
    """Name the frames whose labels do not lie on the image: another camera's, or another size's."""
    def is_odd(fact: Facts) -> bool:
        return any(label.outside > OUTSIDE * label.count for label in (fact.labels or {}).values())

    return grouped(facts, f'more than {OUTSIDE:.0%} of the labels lie outside the image', is_odd, wrong=True)


def implausible(facts: Sequence[Facts]) -> list[Fault]:
    """Name the frames with a kind of label whose median depth is another unit's."""
    low, high = PLAUSIBLE_M
    faults = []
    for kind in sorted({kind for fact in facts for kind in fact.labels or {}}):
        def is_odd(fact: Facts, kind: str = kind) -> bool:
            label = (fact.labels or {}).get(kind)
            return label is not None and not (np.isnan(label.median_m) or low <= label.median_m <= high)

        faults += grouped(facts, f'{kind}: a median depth outside {low:g} to {high:g} m; another unit?', is_odd)
    return faults


def disagreeing(facts: Sequence[Facts]) -> list[Fault]:
    """Name the frames in which a dense map is not what was measured: another frame's, another scale, another camera."""
    faults = []
    for kind in ('stereo', 'teacher'):
        def is_odd(fact: Facts, kind: str = kind) -> bool:
            return not 1 / AGREE < (fact.ratios or {}).get(kind, 1.0) < AGREE

        faults += grouped(facts, f'{kind}: off what is measured better by more than a factor of {AGREE:g} in the '
                          'median', is_odd)
    return faults


def odd_focal(facts: Sequence[Facts]) -> list[Fault]:
    """Name the frames whose field of view is unlike that of the rest of their source."""
    faults = []
    for source in sorted({fact.source for fact in facts}):
        own = [fact for fact in facts if fact.source == source]
        usual = float(np.median([fact.focal for fact in own]))
        faults += grouped(own, f'{source}: a focal length unlike the usual {usual:.2f} widths of the image',
                          lambda fact, usual=usual: not usual / FOCAL < fact.focal < usual * FOCAL)  # type: ignore[misc]
    return faults


def duplicates(facts: Sequence[Facts]) -> list[Fault]:
    """Name the frames whose image is another's too, to the pixel."""
    by_digest: dict[str, list[Facts]] = {}
    for fact in facts:
        by_digest.setdefault(fact.digest, []).append(fact)
    return [Fault('the same image', tuple(fact.name for fact in same)) for same in by_digest.values() if len(same) > 1]


def unlabelled(facts: Sequence[Facts], kinds: Collection[str]) -> list[Fault]:
    """Name the training frames from which nothing can be learnt: without a label of the kinds that are trained on."""
    return grouped(facts, f'no label of {", ".join(kinds)}', lambda fact: not any(
        label.count for kind, label in (fact.labels or {}).items() if kind in kinds))


def shared_drives(train: Sequence[Facts], val: Sequence[Facts]) -> list[Fault]:
    """Name the drives that are trained on and validated on."""
    both = sorted({fact.item.drive for fact in train} & {fact.item.drive for fact in val})
    return [Fault(f'drive {drive} is in train and in val', tuple(
        fact.name for fact in [*train, *val] if fact.item.drive == drive), wrong=True) for drive in both]


def shared_images(train: Sequence[Facts], val: Sequence[Facts]) -> list[Fault]:
    """Name the images of val that are in train: to the pixel (wrong), or resized or compressed (suspicious)."""
    train, val = ([fact for fact in side if fact.look is not None] for side in (train, val))
    if not train or not val:
        return []
    looks = np.stack([fact.look for fact in train if fact.look is not None])
    faults = []
    for fact in val:
        other = train[int((differs := (looks != fact.look).mean(1)).argmin())]
        if any(fact.digest == one.digest for one in train):
            same = next(one for one in train if one.digest == fact.digest)
            faults.append(Fault('the same image in train and in val', (same.name, fact.name), wrong=True))
        elif differs.min() <= ALIKE:
            faults.append(Fault('all but the same image in train and in val', (other.name, fact.name)))
    return faults

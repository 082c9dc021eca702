# SPDX-License-Identifier: Apache-2.0
"""What changes in where an assistant takes its models from. Pure; see `capability.py` for the rules.

Only deployments that a route can reach count: a deployment that no route names is no capability. What answers and what
embeds are looked at apart, so that neither can hide a change of the other.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from customhouse.budget.limit import counts
from customhouse.domain.capability import Capability, CapabilityKind
from customhouse.domain.label import Classification, classification
from customhouse.domain.plane import Plane
from customhouse.domain.price import LongPrompt, Price, cheaper
from customhouse.planes.model.document import (
    POSTURES_WITHIN,
    Choice,
    Deployment,
    Document,
    Parameters,
    Posture,
    Weights,
)
from customhouse.registry.capability_embedding import vector_changes
from customhouse.registry.capability_limits import limit_changes

PARAMETERS: Final = Parameters.__struct_fields__


class _Words(NamedTuple):
    """How the models of one purpose are told of."""

    come: str
    gone: str
    route: str


_Routed = tuple[Document, tuple[Choice, ...]]
ANSWERS: Final = _Words("may now be answered by", "no longer answered by", "the route")
EMBEDS: Final = _Words("texts may now be embedded by", "texts are no longer embedded by", "the route of embeddings")


def model_changes(before: Document, after: Document) -> list[Capability]:
    """Return the changes of deployments, routes, posture, parameters and of what clients may set."""
    return [
        *_posture(before.posture, after.posture),
        *_allowed(before, after),
        *_purpose(ANSWERS, (before, before.route), (after, after.route)),
        *_purpose(EMBEDS, (before, before.embeddings), (after, after.embeddings)),
        *vector_changes(before, after),
        *limit_changes(before.limits, after.limits),
        *_parameters(before.parameters, after.parameters),
        *_clients(before, after),
    ]


def _purpose(words: _Words, before: _Routed, after: _Routed) -> list[Capability]:
    """Return the changes of what models are asked for one purpose."""
    old, new = _reached(*before), _reached(*after)
    found = _data_class(old, new)
    gone, come = sorted(old.keys() - new.keys()), sorted(new.keys() - old.keys())
    found += [_say("deployment_removed", name, f"- {words.gone} {_described(old[name])}", more=False) for name in gone]
    found += [_say("deployment_added", name, f"+ {words.come} {_described(new[name])}", more=True) for name in come]
    for name in sorted(old.keys() & new.keys()):
        found += _deployment(old[name], new[name], paid=counts(before[0].limits, "money"))
    return [*found, *_route(words.route, before[1], after[1], new)]


def _reached(document: Document, choices: tuple[Choice, ...]) -> Mapping[str, Deployment]:
    """Return the deployments by the name that the route knows them under; what one calls itself decides nothing."""
    names = dict.fromkeys(name for choice in choices for name in choice.use)
    return {name: document.deployments[name] for name in names if name in document.deployments}


def _posture(before: Posture, after: Posture) -> list[Capability]:
    found: list[Capability] = []
    if before.use != after.use:
        more = not POSTURES_WITHIN[after.use] <= POSTURES_WITHIN[before.use]
        text = f"{'+' if more else '-'} takes models by posture {after.use} (was {before.use})"
        found.append(_say("posture_changed", "posture", text, more=more))
    if before.until != after.until:
        # ISO 8601 dates order as text. An end that moves out, or falls away, makes an exception last longer.
        more = before.until is not None and (after.until is None or after.until > before.until)
        was, now = before.until or "further notice", after.until or "further notice"
        text = f"{'+' if more else '-'} the posture holds until {now} (was {was})"
        found.append(_say("posture_changed", "posture", text, more=more))
    if before.because != after.because:
        text = f"~ the posture is so because of {after.because or 'nothing'} (was {before.because or 'nothing'})"
        found.append(_say("posture_changed", "posture", text, more=False))
    return found


def _allowed(before: Document, after: Document) -> list[Capability]:
    """Compare the postures that the organisation allows; where it says none, every posture is."""
    was, now = set(before.postures_allowed), set(after.postures_allowed)
    if was == now:
        return []
    tighter = bool(now) and (not was or now < was)
    told = [", ".join(sorted(postures)) or "any posture" for postures in (now, was)]
    text = f"{'-' if tighter else '+'} the organisation allows {told[0]} (was {told[1]})"
    return [_say("posture_changed", "organization", text, more=not tighter)]


def _data_class(old: Mapping[str, Deployment], new: Mapping[str, Deployment]) -> list[Capability]:
    """Say whether a more sensitive class of data can be answered at all, whichever deployment takes it."""
    if not old or not new:
        return []
    highest = max(new.values(), key=lambda deployment: (_rank(deployment), deployment.name))
    was, now = max(_rank(deployment) for deployment in old.values()), _rank(highest)
    if was == now:
        return []
    if now > was:
        text = f"+ {now.label} data may now go to a model ({highest.label}); the limit was {was.label}"
        return [_say("data_class_raised", "data", text, more=True)]
    text = f"- data above {now.label} no longer goes to any model; the limit was {was.label}"
    return [_say("data_class_lowered", "data", text, more=False)]


def _deployment(before: Deployment, after: Deployment, *, paid: bool) -> list[Capability]:
    """Compare one deployment; `paid` says whether its price decides how much may be used."""
    if before == after:
        return []
    found: list[Capability] = []
    name = after.name
    if before.accepts != after.accepts:
        more = _rank(after) > _rank(before)
        kind = "data_class_raised" if more else "data_class_lowered"
        text = f"{'+' if more else '-'} {after.label} accepts {after.accepts} data (was {before.accepts})"
        found.append(_say(kind, name, text, more=more))
    for field, was, now in (
        ("provider", before.provider, after.provider),
        ("model", before.model, after.model),
        ("dialect", before.dialect, after.dialect),
        ("address", before.base_url, after.base_url),
        ("credential", _credential(before), _credential(after)),
        ("azure", _azure(before), _azure(after)),
        ("region", before.region, after.region),
        ("posture", before.posture, after.posture),
        ("weights", _weights(before.weights), _weights(after.weights)),
        ("tokenizer", _weights(before.tokenizer), _weights(after.tokenizer)),
        ("dimensions", before.dimensions, after.dimensions),
        ("terms", before.terms, after.terms),
        ("approval", before.approved_by, after.approved_by),
    ):
        if was != now:
            text = f"~ {after.label}: {field} is {now or 'none'} (was {was or 'none'})"
            found.append(_say("deployment_changed", name, text, more=True))
    for field, was, now, more in (
        ("context", before.context, after.context, False),
        ("retirement", before.retires, after.retires, False),
        ("price", _price(before), _price(after), paid and cheaper(before.price, after.price)),
    ):
        if was != now:
            text = f"~ {after.label}: {field} is {now or 'none'} (was {was or 'none'})"
            found.append(_say("deployment_changed", name, text, more=more))
    for feature in sorted(set(before.features) ^ set(after.features)):
        text = f"~ {after.label} {'gains' if feature in after.features else 'loses'} the feature {feature}"
        found.append(_say("deployment_changed", name, text, more=False))
    return found


def _route(
    words: str, before: tuple[Choice, ...], after: tuple[Choice, ...], reached: Mapping[str, Deployment]
) -> list[Capability]:
    """Compare routes, whatever else changed: an added deployment must not hide a rule that is gone.

    Proved harmless: the same conditions in the same order, each with the same deployments or fewer. A condition that
    is new, gone or moved can send a class of data to another deployment than before, so it loosens. From no route at
    all, there is nothing to compare with: every deployment is shown as added, or as removed.
    """
    if not before or not after:
        return []
    left = tuple(
        Choice(use=tuple(name for name in choice.use if name in reached), when=choice.when) for choice in before
    )
    if left == after:
        return []
    same_conditions = [choice.when for choice in left] == [choice.when for choice in after]
    harmless = same_conditions and all(set(new.use) <= set(old.use) for old, new in zip(left, after, strict=True))
    verb = "prefers its deployments" if harmless else "decides"
    text = f"~ {words} {verb} differently: {_told(after)} (was {_told(before)})"
    return [_say("route_changed", "route", text, more=not harmless)]


def _told(route: tuple[Choice, ...]) -> str:
    """Return a route as it reads: `small when data.classification >= confidential, else big or small`."""
    return (
        ", else ".join(
            (" or ".join(choice.use) or "nobody") + ("" if choice.when is None else f" when {choice.when}")
            for choice in route
        )
        or "nobody"
    )


def _parameters(before: Parameters, after: Parameters) -> list[Capability]:
    found: list[Capability] = []
    for field in PARAMETERS:
        was, now = getattr(before, field), getattr(after, field)
        if was != now:
            text = f"~ {field} is {'not set' if now is None else now} (was {'not set' if was is None else was})"
            found.append(_say("parameters_changed", field, text, more=False))
    return found


def _clients(before: Document, after: Document) -> list[Capability]:
    gained = sorted(set(after.client_may_set) - set(before.client_may_set))
    lost = sorted(set(before.client_may_set) - set(after.client_may_set))
    return [
        *(_say("widened", field, f"+ clients may now set {field}", more=True) for field in gained),
        *(_say("narrowed", field, f"- clients may no longer set {field}", more=False) for field in lost),
        *(
            _say("parameters_changed", name, f"~ {verb} the name {name}", more=False)
            for verb, names in (
                ("now answers to", set(after.aliases) - set(before.aliases)),
                ("no longer answers to", set(before.aliases) - set(after.aliases)),
            )
            for name in sorted(names)
        ),
    ]


def _say(kind: CapabilityKind, subject: str, text: str, *, more: bool) -> Capability:
    return Capability(kind=kind, plane=Plane.MODEL, subject=subject, text=text, loosens=more)


def _described(deployment: Deployment) -> str:
    place = f", {deployment.region}" if deployment.region else ""
    credential = _credential(deployment)
    where = deployment.base_url + (f", shown {credential}" if credential else "")
    return f"{deployment.label} ({deployment.posture}{place}, accepts {deployment.accepts}, at {where})"


def _credential(deployment: Deployment) -> str | None:
    """Return where a key comes from as it reads; a document that names two is not put to work, and shows both here."""
    named = (
        deployment.api_key_env,
        deployment.api_key_file and f"the file {deployment.api_key_file}",
        deployment.api_key_command and f"the command {deployment.api_key_command}",
    )
    return ", ".join(filter(None, named)) or None


def _azure(deployment: Deployment) -> str | None:
    return f"{deployment.azure.api_version} by {deployment.azure.auth}" if deployment.azure else None


def _weights(weights: Weights | None) -> str | None:
    if weights is None:
        return None
    rest = (weights.licence and f"licence {weights.licence}", weights.tuned_on and f"tuned on {weights.tuned_on}")
    return ", ".join(filter(None, (f"{weights.digest} from {weights.source}", *rest)))


def _price(deployment: Deployment) -> str | None:
    """Return a price as it is read, with where it was found.

    A change of either is information. Under a limit of money a lower price loosens: more may be used by it, as by a
    higher limit; and without a price a deployment was not asked.
    """
    price = deployment.price
    if price is None:
        return None
    long = price.long_prompt
    longer = "" if long is None else f"; above {long.over} prompt tokens {_rates(long)}"
    return f"{_rates(price)}{longer} USD per million tokens by {deployment.price_source or 'nobody'}"


def _rates(price: Price | LongPrompt) -> str:
    parts = (
        f"input {price.input}",
        price.cached_input and f"cached input {price.cached_input}",
        price.cache_write and f"cache writes {price.cache_write}",
        f"output {price.output}",
    )
    return ", ".join(filter(None, parts))


def _rank(deployment: Deployment) -> Classification:
    return classification(deployment.accepts) or Classification.PUBLIC

"""What tests of widgets on pages share: when they are drawn, what their address says."""

import pytest

OVER = pytest.mark.parametrize("over", ["file", "http"])


def drawn(seen, which=".mrinb-widget"):
    seen.page.wait_for_function(
        "(which) => [...document.querySelectorAll(which)].length && "
        "[...document.querySelectorAll(which)].every((root) => root.dataset.drawn)",
        arg=which,
    )
    settle(seen)


def settle(seen):
    """Wait until two frames have passed: what was asked for has been drawn."""
    seen.page.evaluate(
        "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )


def view_of(seen):
    """What the address says of widgets."""
    return seen.page.evaluate("decodeURIComponent(location.search)")


def wait_view(seen, *parts):
    seen.page.wait_for_function(
        "(parts) => parts.every((part) => decodeURIComponent(location.search).includes(part))",
        arg=list(parts),
    )


LIVE = """async ([source, state]) => {
    const module = await import('data:text/javascript;base64,' + source);
    const heard = {};
    let saved = 0;
    const model = {
        get: (key) => state[key],
        set(key, value) {
            if (state[key] === value) return;
            state[key] = value;
            for (const name of ['change:' + key, 'change']) (heard[name] ?? []).forEach((f) => f());
        },
        on(name, call) { (heard[name] ??= []).push(call); },
        off(name, call) { heard[name] = (heard[name] ?? []).filter((f) => f !== call); },
        save_changes() { saved += 1; },
    };
    const el = document.createElement('div');
    document.querySelector('main').append(el);
    window.live = { model, state, heard, saved: () => saved,
                    stop: module.default.render({ model, el }) };
}"""

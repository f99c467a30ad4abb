"""Where the networks that we set beside ours come from, by the names of their ONNX files.

The files are not part of this package: each is made from the authors' code, with weights at random. Time does not
depend on weights, unless they are subnormal; accuracy does, so these rows are of speed only.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """A network's usual name, its repository on github.com and commit, and its parameters [million]."""

    name: str
    repository: str
    commit: str
    parameters_m: float

    def __str__(self) -> str:
        return f'[{self.repository}](https://github.com/{self.repository}) at {self.commit[:7]}'


GUIDED = 'mic-rud/GuidedDecoding', 'b1db515'
FAST = 'dwofk/fast-depth', 'e684920'
RT = 'Ecalpal/RT-MonoDepth', '3ccc225'
ZIP = 'fabiotosi92/ZipDepth', 'a302e54'
LITE = 'noahzn/Lite-Mono', '4874b35'
ANYTHING = 'DepthAnything/Depth-Anything-V2', 'a561b84'

SOURCES = {
    'guidedepth': Source('GuideDepth', *GUIDED, 5.82),
    'guidedepth_s': Source('GuideDepth-S', *GUIDED, 5.72),
    'fastdepth': Source('FastDepth, not pruned', *FAST, 3.96),
    'fastdepth_pruned': Source('FastDepth, pruned widths', *FAST, 1.36),
    'rt_monodepth': Source('RT-MonoDepth', *RT, 2.78),
    'rt_monodepth_s': Source('RT-MonoDepth-S', *RT, 1.24),
    'zipdepth': Source('ZipDepth', *ZIP, 6.14),
    'zipdepth_npu': Source('ZipDepth, NPU variant', *ZIP, 6.14),
    'zipdepth_authorsexport': Source("ZipDepth, authors' export", *ZIP, 6.14),
    'zipdepth_npu_authorsexport': Source("ZipDepth, NPU variant, authors' export", *ZIP, 6.14),
    'zipdepth_small': Source('ZipDepth small (code only)', *ZIP, 1.36),
    'zipdepth_small_npu': Source('ZipDepth small, NPU variant (code only)', *ZIP, 1.36),
    'lite_mono': Source('Lite-Mono', *LITE, 3.07),
    'lite_mono_tiny': Source('Lite-Mono-tiny', *LITE, 2.15),
    'monodepth2_r18': Source('Monodepth2, ResNet-18', 'nianticlabs/monodepth2', 'b676244', 14.84),
    'dav2_s_252x840': Source('Depth-Anything-V2-Small', *ANYTHING, 24.79),
    'dav2_s_196x644': Source('Depth-Anything-V2-Small', *ANYTHING, 24.79),
}


def title(network: str) -> str:
    """Return what to call a network in a table: ours, a known one, or its file's name."""
    if network == 'default':
        return 'depth_node (ours)'
    return SOURCES[network].name if network in SOURCES else network


def source(network: str) -> str:
    """Return where a network comes from, in Markdown."""
    if network == 'default':
        return 'this package, with its weights'
    return str(SOURCES[network]) if network in SOURCES else 'an ONNX file'

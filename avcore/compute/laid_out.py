"""Weights in the layout of this CPU's matrix kernels as plain bytes, and back without a copy.

oneDNN says what its layout looks like (a descriptor) and where the bytes lie; torch's C interface makes a tensor of bytes and
a descriptor, as its compiled models do with their constants. Descriptors come from weights that were laid out in this very
process, never from a file: bytes that do not fit them are not looked at.
"""

import ctypes
from pathlib import Path

import torch
from torch import Tensor

ALIGNMENT = 64
"""Bytes; oneDNN's kernels read whole cache lines."""
_DTYPES = {
    torch.float32: "aoti_torch_dtype_float32",
    torch.bfloat16: "aoti_torch_dtype_bfloat16",
    torch.int8: "aoti_torch_dtype_int8",
}


def num_bytes(weight: Tensor) -> int:
    """Return how many bytes a laid-out weight takes."""
    size: int = torch.ops.mkldnn._nbytes(weight)
    return size


def bytes_of(weight: Tensor) -> Tensor:
    """Return the bytes of a laid-out weight, uint8 of shape [n], as a view: it is good as long as the weight is."""
    start: int = torch.ops.mkldnn.data_ptr(weight)
    return torch.frombuffer((ctypes.c_uint8 * num_bytes(weight)).from_address(start), dtype=torch.uint8)


def whole_lines(content: Tensor) -> Tensor:
    """Bytes, uint8 of shape [n], filled up with zeros to whole cache lines, so that what follows them in a file begins with one."""
    return torch.nn.functional.pad(content, (0, -content.numel() % ALIGNMENT))


def weight_of(stored: Tensor, like: Tensor) -> Tensor:
    """Return a laid-out weight made of bytes, uint8 of shape [n], which must be kept as long as it is.

    like: a weight of the same shape and type that was laid out here. Raises ValueError for bytes of another number or at a
    place where kernels cannot use them, RuntimeError where torch makes no such tensor.
    """
    if stored.numel() != num_bytes(like) or stored.data_ptr() % ALIGNMENT:
        raise ValueError("these bytes are no weight of this layout")
    library = _library()
    descriptor = torch.ops.mkldnn._get_mkldnn_serialized_md(like).contiguous()
    sizes = (ctypes.c_int64 * like.dim())(*like.shape)
    strides = (ctypes.c_int64 * like.dim())(*[1] * like.dim())  # of no meaning here
    handle = ctypes.c_void_p()
    failed = library.aoti_torch_create_tensor_from_blob_v2(
        ctypes.c_void_p(stored.data_ptr()), ctypes.c_int64(like.dim()), sizes, strides, ctypes.c_int64(0),
        getattr(library, _DTYPES[like.dtype])(), library.aoti_torch_device_type_cpu(), 0, ctypes.byref(handle),
        library.aoti_torch_layout__mkldnn(), ctypes.c_void_p(descriptor.data_ptr()), ctypes.c_int64(descriptor.numel()),
    )  # fmt: skip
    if failed or not handle.value:
        raise RuntimeError("torch makes no tensor of laid-out bytes")
    capsule = ctypes.pythonapi.PyCapsule_New
    capsule.restype, capsule.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
    made: Tensor = torch._C._aoti.alloc_tensor_by_stealing_from_void_ptr(capsule(handle, None, None))
    return made


def can_map() -> bool:
    """Return whether this torch has all that it takes; without it weights are laid out anew each time."""
    names = ("data_ptr", "_nbytes", "_get_mkldnn_serialized_md", "_reorder_linear_weight")
    return (
        torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and all(hasattr(torch.ops.mkldnn, name) for name in names)
        and hasattr(getattr(torch._C, "_aoti", None), "alloc_tensor_by_stealing_from_void_ptr")
        and _path().is_file()
        and hasattr(_library(), "aoti_torch_create_tensor_from_blob_v2")
    )


def _path() -> Path:
    return Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"


def _library() -> ctypes.CDLL:
    return ctypes.CDLL(str(_path()))

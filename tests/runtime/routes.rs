// SPDX-License-Identifier: Apache-2.0
// Memory from Rust, for tests/e2e/targets/routes.py.
#[no_mangle]
pub extern "C" fn by_rust(bytes: usize) {
    std::mem::forget(Vec::<u8>::with_capacity(bytes));
}

#[no_mangle]
pub extern "C" fn by_rust_boxed(bytes: usize) {
    let mut kept: Vec<u8> = Vec::with_capacity(16);
    kept.resize(bytes, 1); // grows by what realloc gives
    std::mem::forget(kept.into_boxed_slice());
}

// SPDX-License-Identifier: Apache-2.0
// Memory from C++, for tests/e2e/targets/routes.py: new, new[], aligned new, a vector that grew, a string.
#include <cstddef>
#include <new>
#include <string>
#include <vector>

#define EXPORT extern "C" __attribute__((visibility("default")))

static void *volatile kept;

EXPORT void by_new(size_t size) {
    kept = ::operator new(size);
}

EXPORT void by_new_array(size_t size) {
    kept = new char[size];
}

EXPORT void by_new_aligned(size_t size) {
    kept = ::operator new(size, std::align_val_t(128));
}

EXPORT void by_new_nothrow(size_t size) {
    kept = ::operator new(size, std::nothrow);
}

EXPORT void by_vector(size_t size) { // grows by doubling from its first element; its last buffer is what is left
    static std::vector<char> vector;
    vector.push_back('a');
    vector.resize(size - 1);
    vector.shrink_to_fit();
    vector.reserve(size);
}

EXPORT void by_string(size_t size) { // room for a NUL
    static std::string text;
    text.reserve(size - 1);
}

EXPORT void by_deleting(size_t size) {
    delete[] new char[size];
    ::operator delete(::operator new(size), size);
    ::operator delete(::operator new(size, std::align_val_t(64)), size, std::align_val_t(64));
}

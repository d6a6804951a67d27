! SPDX-License-Identifier: Apache-2.0
! Memory from Fortran, for tests/e2e/targets/routes.py.
subroutine by_fortran(bytes) bind(c, name="by_fortran")
    use iso_c_binding
    integer(c_size_t), value :: bytes
    real(8), allocatable, save :: kept(:)
    allocate(kept(bytes / 8))
end subroutine

# SPDX-License-Identifier: Apache-2.0
"""An image pipeline with numpy alone: noise, a filter in the frequency domain, shifts found by
FFT."""

import meter  # first: it starts the watch

import numpy


def picture(side, seed):
    y, x = numpy.mgrid[0:side, 0:side]
    clean = numpy.sin(x / 17.0) * numpy.cos(y / 23.0) + (
        (x - side / 2) ** 2 + (y - side / 3) ** 2 < 9000
    )
    return clean + numpy.random.default_rng(seed).normal(0, 0.2, (side, side))


def low_pass(image, radius):
    side = image.shape[0]
    spectrum = numpy.fft.fftshift(numpy.fft.fft2(image))
    y, x = numpy.ogrid[0:side, 0:side]
    mask = (x - side / 2) ** 2 + (y - side / 2) ** 2 < radius**2
    return numpy.fft.ifft2(numpy.fft.ifftshift(spectrum * mask)).real


def find_shift(first, second):
    product = numpy.fft.fft2(first) * numpy.fft.fft2(second).conj()
    correlation = numpy.abs(numpy.fft.ifft2(product))
    return numpy.unravel_index(int(correlation.argmax()), correlation.shape)


def main():
    check = 0
    for seed in range(max(1, meter.size() * 22 // 100)):
        image = low_pass(picture(512, seed), 60)
        for step in range(1, 4):
            moved = numpy.roll(image, (step * 5, step * 9), axis=(0, 1))
            row, column = find_shift(moved, image)
            check += int(row) * 1000 + int(column)
    meter.finish(check)


main()

/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory over time: the strip below the table.
 *
 * May use: nothing but the language; painting takes whatever 2D context it is given.
 * Must stay true: a short spike is never lost: each pixel column shows the most of its stretch. */
'use strict';

/* The highest value of each pixel column, -1 where there is none; between points it is the higher of
 * the two beside it. */
function columnsOf(times, values, end, width) {
    const columns = new Float64Array(width).fill(-1);
    const at = (time) => Math.min(width - 1, Math.max(0, Math.floor(time / end * width)));
    let last = -1;
    times.forEach((time, i) => {
        const column = at(time);
        for (let between = last + 1; last >= 0 && between < column; between++) {
            columns[between] = Math.max(values[i - 1], values[i]);
        }
        columns[column] = Math.max(columns[column], values[i]);
        last = column;
    });
    return columns;
}

/* timeline: {time_s, tracked_bytes, rss_bytes}; the peak's own place and height are known exactly. */
function layoutStrip(timeline, peak, duration, width) {
    const times = timeline.time_s;
    const end = Math.max(duration || 0, peak.time_s || 0, times[times.length - 1] || 0, 0.001);
    const tracked = columnsOf(times, timeline.tracked_bytes, end, width);
    const resident = columnsOf(times, timeline.rss_bytes, end, width);
    const peakAt = typeof peak.time_s === 'number'
        ? Math.min(width - 1, Math.floor(peak.time_s / end * width)) : -1;
    if (peakAt >= 0) {
        tracked[peakAt] = Math.max(tracked[peakAt], peak.bytes);
    }
    const top = Math.max(peak.bytes, ...tracked, ...resident, 1);
    return { end, tracked, resident, peakAt, top, peak: peak.bytes };
}

function paintStrip(context, strip, colors, width, height) {
    const y = (value) => height - Math.max(1, value / strip.top * (height - 4));
    context.clearRect(0, 0, width, height);
    context.fillStyle = colors.area;
    strip.tracked.forEach((value, x) => {
        if (value >= 0) {
            context.fillRect(x, y(value), 1, height - y(value));
        }
    });
    context.strokeStyle = colors.line;
    context.lineWidth = 1.5;
    context.beginPath();
    let open = false;
    strip.resident.forEach((value, x) => {
        if (value > 0) {
            context[open ? 'lineTo' : 'moveTo'](x + 0.5, y(value));
        }
        open = value > 0;
    });
    context.stroke();
    if (strip.peakAt >= 0) {
        context.fillStyle = colors.mark;
        context.fillRect(strip.peakAt, 0, 1.5, height);
        context.beginPath();
        context.arc(strip.peakAt + 0.75, y(strip.peak), 3.5, 0, 7);
        context.fill();
    }
}

if (typeof module !== 'undefined') {
    module.exports = { columnsOf, layoutStrip, paintStrip };
}

// Loaded before a node to give it a clock that is wrong by CLOCK_SHIFT_MS.
const shiftMs = Number(process.env.CLOCK_SHIFT_MS);
const now = Date.now.bind(Date);
Date.now = () => now() + shiftMs;

/**
 * Milliseconds of CLOCK_MONOTONIC, which the processes of a machine share, and which runs on while they are stopped.
 */
export const now = (): number => Number(process.hrtime.bigint()) / 1e6

/** What is below zero is zero; NaN stays NaN. */
export const rectify = (value: number): number => (value < 0 ? 0 : value);

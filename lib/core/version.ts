/** What the program calls itself. */

export const VERSION = '0.1.0';
export const VERSION_DATE = '2026/11/23';

/** First line of `-v`. */
export const VERSION_LINE = `Holdfast version ${VERSION} ${VERSION_DATE}`;

/**
 * What the program calls itself.
 *
 * Tools that were made for HAProxy read the first version they find (`-v`, `show info`) and decide by it which keywords
 * and commands they may use. That question is about the language, so it is answered first; the program's own version
 * follows, as distributions do it: `2.6.12-holdfast-0.1.0`.
 */

export const VERSION = '0.1.0';
export const VERSION_DATE = '2026/11/23';

/** The version whose language is spoken: what `version_atleast()` compares with. */
export const LANGUAGE_VERSION = '2.6.12';

/** For whoever may take the program for HAProxy. */
export const COMPATIBLE_VERSION = `${LANGUAGE_VERSION}-holdfast-${VERSION}`;

/** First line of `-v`. */
export const VERSION_LINE = `Holdfast version ${COMPATIBLE_VERSION} ${VERSION_DATE}`;

/** Second line of `-v`, for tools that look for the words of HAProxy's. */
export const LANGUAGE_LINE = `HAProxy version ${COMPATIBLE_VERSION} ${VERSION_DATE} is the language that is read`;

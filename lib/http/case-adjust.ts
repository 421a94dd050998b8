/**
 * Names of fields in the case that a broken client or server insists on (manual, 3.1 `h1-case-adjust`, 4.2 `option
 * h1-case-adjust-bogus-client`). Fields are kept and sent in lower case, which is right in every version of HTTP; where
 * an option asks for it the finished head is gone through once more, so that nobody else pays for it.
 */

/** By the name in lower case. */
export type HeaderCases = ReadonlyMap<string, string>;

/** A name at the beginning of a line that is not the first one. */
const NAME = /\n([^:\r\n]+):/g;

/** The same head with the names that are known in their case. */
export function adjustCase(head: string, cases: HeaderCases): string {
	return head.replace(NAME, (whole, name: string) => {
		const wanted = cases.get(name);
		return wanted === undefined ? whole : `\n${wanted}:`;
	});
}

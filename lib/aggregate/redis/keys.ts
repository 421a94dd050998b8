/**
 * Names of the keys, and the directory's lines. `{...}` decides in which slot of a cluster a key is: what a script
 * changes together is together, and different tables are on different nodes of a cluster.
 *
 *     {P}:owners            hash   node -> the process that speaks for it
 *     {P}:beats             zset   node -> its last heartbeat, by Redis's clock
 *     {P/T}:shares          hash   node -> its line: life, sequence number, update id, signature. Tables that are summed
 *     {P/T}:share:NODE      hash   what NODE has counted: key -> entry
 *     {P/T}:shares:log      stream what was written to shares, one item for each batch
 *     {P/T}:writers         hash   the same for tables that the last writer overwrites
 *     {P/T}:entries:SIGN    hash   the table: key -> entry
 *     {P/T}:entries:log     stream
 */
export interface NodeKeys {
	readonly owners: string;
	readonly beats: string;
}

export function nodeKeys(prefix: string): NodeKeys {
	return { owners: `{${prefix}}:owners`, beats: `{${prefix}}:beats` };
}

export interface TableKeys {
	readonly directory: string;
	readonly log: string;
	/** The entries that a node of this line writes to. */
	entriesOf(node: string): string;
}

/** `wireName` begins with a slash for tables of a peers section, and does not for those of proxies. */
export function tableKeys(
	prefix: string,
	wireName: string,
	mode: 'sums' | 'overwriting',
	signature: string,
): TableKeys {
	const tag = `{${prefix}${wireName.startsWith('/') ? '' : '//'}${wireName}}`;
	if (mode === 'sums') {
		return { directory: `${tag}:shares`, log: `${tag}:shares:log`, entriesOf: (node) => `${tag}:share:${node}` };
	}
	const entries = `${tag}:entries:${signature}`;
	return { directory: `${tag}:writers`, log: `${tag}:entries:log`, entriesOf: () => entries };
}

/** What the directory says of a node. */
export interface NodeLine {
	/** Of the process that writes: a later one has a larger number. */
	readonly life: number;
	/** Of the last batch it wrote: readers that miss one notice. */
	readonly sequence: number;
	/** Everything in its table up to this update id is written. */
	readonly updateId: number;
	readonly signature: string;
}

export function formatLine({ life, sequence, updateId, signature }: NodeLine): string {
	return `${life} ${sequence} ${updateId} ${signature}`;
}

/** Undefined: not one of our lines. */
export function parseLine(text: string): NodeLine | undefined {
	const match = /^(\d{1,15}) (\d{1,15}) (\d{1,10}) ([0-9a-f]{8})$/.exec(text);
	if (match === null) return undefined;
	return { life: Number(match[1]), sequence: Number(match[2]), updateId: Number(match[3]), signature: match[4]! };
}

/**
 * One table entry on its way between a table and the wire, and how its values are laid out.
 *
 * A session moves millions of entries, so there is no object per entry: each session has one `EntryRecord`
 * that the table fills before a message is written and that the decoder fills before the table learns. Values
 * are 32-bit words in the order of the local table's columns, which is the order of the wire: one word for a
 * 32-bit number, low and high for a 64-bit one, elapsed, current and previous for a rate. The one string a
 * table may store, `server_key`, stands beside the words (its word is the table's own business).
 */
import { CLASS_WORDS, type DataType, dataTypeByWireId } from '../stick-table/data-types.js';

/** One stored data type of a table, or of a table definition received from a peer. */
export interface Column {
	readonly dataType: DataType;
	/** Elements: 1, or the size of an array type. */
	readonly count: number;
	/** Period of a rate, 0 otherwise. */
	readonly periodMs: number;
	/** Where its words begin in a record. */
	readonly wordOffset: number;
}

export interface ColumnSpec {
	readonly typeId: number;
	readonly count?: number | undefined;
	readonly periodMs?: number | undefined;
}

/** Columns in the order of the wire, with their places in a record. Unknown ids are a caller's mistake. */
export function columnsOf(specs: readonly ColumnSpec[]): readonly Column[] {
	let wordOffset = 0;
	return [...specs]
		.sort((a, b) => a.typeId - b.typeId)
		.map(({ typeId, count = 1, periodMs = 0 }) => {
			const dataType = dataTypeByWireId(typeId);
			if (dataType === undefined) throw new RangeError(`no data type has the number ${typeId}`);
			const column = { dataType, count, periodMs, wordOffset };
			wordOffset += count * CLASS_WORDS[dataType.class];
			return column;
		});
}

/** Words that the values of `columns` take. */
export function wordCountOf(columns: readonly Column[]): number {
	return columns.reduce((sum, { dataType, count }) => sum + count * CLASS_WORDS[dataType.class], 0);
}

/** Longest key that a record holds without growing; keys of tables are shorter than `tune.bufsize`. */
const INITIAL_KEY_BYTES = 64;

export class EntryRecord {
	/** Update number in the sender's table, unsigned 32 bits, wrapping. */
	updateId = 0;
	/** Remaining life in milliseconds, signed; 0 when the table has no expiry. Meaningless if not `isTimed`. */
	expireMs = 0;
	/** The message carried `expireMs`. */
	isTimed = false;
	/** The key in network order; a string without terminator, a binary key padded to its size. */
	key: Buffer = Buffer.alloc(INITIAL_KEY_BYTES);
	keyLength = 0;
	/** Values by the columns of the local table. */
	readonly words: Uint32Array;
	/**
	 * For each local column how many elements of `words` were received and are to be stored: 0 leaves the local
	 * value alone, fewer than the column's count leaves its last elements alone. Set when the sender's
	 * definition is read, the same for all entries that follow it.
	 */
	elementCounts: Uint8Array;
	/** All elements of all columns, for `elementCounts`. */
	readonly allElements: Uint8Array;
	readonly columns: readonly Column[];
	/** `server_key`, undefined if the entry has none; on receipt undefined also leaves the local value alone. */
	serverKey: string | undefined = undefined;

	constructor(columns: readonly Column[]) {
		this.words = new Uint32Array(wordCountOf(columns));
		this.columns = columns;
		this.allElements = Uint8Array.from(columns, (column) => column.count);
		this.elementCounts = this.allElements;
	}

	/** Makes room for a key of `length` bytes. */
	reserveKey(length: number): Buffer {
		if (this.key.length < length) this.key = Buffer.alloc(length);
		this.keyLength = length;
		return this.key;
	}

	keyBytes(): Buffer {
		return this.key.subarray(0, this.keyLength);
	}
}

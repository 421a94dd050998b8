/** Tables as their definitions on the wire declare them: what an aggregator knows of the nodes it serves. */
import type { StickTableModel, StoredDataModel } from '../config/model.js';
import type { TableDefinition } from '../peers/decode.js';
import { columnsOf } from '../peers/entry-record.js';
import { DEFAULT_STRING_KEY_SIZE, type KeyTypeName, OLD_DEFAULT_STRING_KEY_SIZE } from '../peers/protocol.js';
import { dataTypeByName } from '../stick-table/data-types.js';

/** A definition does not say how large the table is (`table-size` may). Memory is taken as entries come. */
const AGGREGATED_SIZE = 1024 * 1024;

/** The declaration that a definition means; undefined when it says nothing that can be stored. */
export function modelOfDefinition(
	wireName: string,
	keyType: KeyTypeName,
	{ keySize, columns, expireMs }: TableDefinition,
	size = AGGREGATED_SIZE,
): StickTableModel | undefined {
	if (columns === undefined || columns.length === 0) return undefined;
	// HAProxy 2.6 says 32 where later versions say 33 for the same line (peers/protocol.ts).
	const stringSize = keySize === OLD_DEFAULT_STRING_KEY_SIZE ? DEFAULT_STRING_KEY_SIZE : keySize;
	const keyLengthBytes = keyType === 'string' ? stringSize - 1 : keySize;
	if (keyLengthBytes < 1 || keyLengthBytes > 8192) return undefined;
	return {
		place: { file: '', line: 0 },
		name: wireName,
		keyType,
		keyLengthBytes,
		size,
		expireMs: expireMs === 0 ? undefined : expireMs,
		nopurge: false,
		recvOnly: true,
		writeTo: undefined,
		srvkey: 'name',
		bratesFactor: 1,
		peers: undefined,
		store: columns.map(
			({ dataType, count, periodMs }): StoredDataModel => ({
				type: dataType.name,
				periodMs: dataType.class === 'rate' ? periodMs : undefined,
				count: dataType.isArray ? count : undefined,
			}),
		),
	};
}

/** Whether entries of the defined table can be added to those of the declared one: the same data and periods. */
export function sameData({ store }: StickTableModel, { columns }: TableDefinition): boolean {
	if (columns?.length !== store.length) return false;
	const ours = columnsOf(
		store.map(({ type, count, periodMs }) => ({ typeId: dataTypeByName(type)?.wireId ?? -1, count, periodMs })),
	);
	return ours.every(({ dataType, count, periodMs }, index) => {
		const theirs = columns[index];
		return theirs?.dataType === dataType && theirs.count === count && theirs.periodMs === periodMs;
	});
}

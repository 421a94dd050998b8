/** Every converter by name, and the names of the manual that are not built. */
import type { ConverterDescriptor } from '../types.js';
import { CIPHER_CONVERTERS } from './cipher.js';
import { DATE_CONVERTERS } from './date.js';
import { ENCODE_CONVERTERS } from './encode.js';
import { FIX_CONVERTERS } from './fix.js';
import { FORWARDED_CONVERTERS } from './forwarded.js';
import { HASH_CONVERTERS } from './hash.js';
import { INTEGER_CONVERTERS } from './integer.js';
import { IP_CONVERTERS } from './ip.js';
import { JSON_CONVERTERS } from './json-query.js';
import { JWT_CONVERTERS } from './jwt.js';
import { LOOKUP_CONVERTERS } from './lookup.js';
import { MAP_CONVERTERS } from './map.js';
import { MQTT_CONVERTERS } from './mqtt.js';
import { PASSING_CONVERTERS } from './passing.js';
import { PROTOBUF_CONVERTERS } from './protobuf.js';
import { STRING_CONVERTERS } from './string.js';
import { TABLE_CONVERTERS } from './table.js';
import { VARIABLE_CONVERTERS } from './variables.js';
import { WHEN_CONVERTERS } from './when.js';

export const CONVERTERS: ReadonlyMap<string, ConverterDescriptor> = new Map(
	[
		...INTEGER_CONVERTERS,
		...STRING_CONVERTERS,
		...HASH_CONVERTERS,
		...ENCODE_CONVERTERS,
		...DATE_CONVERTERS,
		...IP_CONVERTERS,
		...VARIABLE_CONVERTERS,
		...LOOKUP_CONVERTERS,
		...MAP_CONVERTERS,
		...TABLE_CONVERTERS,
		...JSON_CONVERTERS,
		...JWT_CONVERTERS,
		...PROTOBUF_CONVERTERS,
		...FIX_CONVERTERS,
		...MQTT_CONVERTERS,
		...CIPHER_CONVERTERS,
		...PASSING_CONVERTERS,
		...FORWARDED_CONVERTERS,
		...WHEN_CONVERTERS,
	].map((row) => [row.name, row]),
);

/** Converters of HAProxy (2.6 to 3.x) that Holdfast does not have, with the reason. */
export const UNSUPPORTED_CONVERTERS: ReadonlyMap<string, string> = new Map([
	['51d.single', 'the device databases are proprietary libraries'],
	['da-csv-conv', 'the device databases are proprietary libraries'],
	...['date', 'rfc7239_nn', 'rfc7239_np'].map((name) => [name, 'not built'] as const),
]);

/** Every converter by name, and the names of the manual that are not built. */
import type { ConverterDescriptor } from '../types.js';
import { HASH_CONVERTERS } from './hash.js';
import { INTEGER_CONVERTERS } from './integer.js';
import { STRING_CONVERTERS } from './string.js';

export const CONVERTERS: ReadonlyMap<string, ConverterDescriptor> = new Map(
	[...INTEGER_CONVERTERS, ...STRING_CONVERTERS, ...HASH_CONVERTERS].map((row) => [row.name, row]),
);

export const UNSUPPORTED_CONVERTERS: ReadonlySet<string> = new Set(
	[
		'51d.single aes_gcm_dec da-csv-conv debug fix_is_valid fix_tag_value json_query',
		'jwt_header_query jwt_payload_query jwt_verify',
		'mqtt_field_value mqtt_is_valid protobuf ungrpc',
	]
		.join(' ')
		.split(' '),
);

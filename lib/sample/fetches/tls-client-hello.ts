/**
 * What the hello of a client that is deciphered here had in it, and the secrets of its connection (manual, 7.3.4): the first
 * with `tune.ssl.capture-buffer-size`, the second with `tune.ssl.keylog`. Without them these fetches have no value.
 */
import { cipherName } from '../cipher-names.js';
import { type HelloLists, withoutGrease } from '../client-hello.js';
import { xxh64 } from '../converters/xxhash.js';
import type { FetchDescriptor, SampleType, SampleValue } from '../types.js';
import { normalizeInt } from '../values.js';
import { numberArgument, optional, plain } from './define.js';

const nonEmpty = <T extends Buffer | string>(value: T): T | undefined => (value.length === 0 ? undefined : value);

/** `<name>([0|1])`; 1 leaves out what is there to be passed over (RFC 8701). */
function list(
	name: string,
	type: SampleType,
	listOf: (lists: HelloLists) => Buffer,
	show: (list: Buffer) => SampleValue | undefined,
): FetchDescriptor {
	return {
		name,
		args: [optional('sint')],
		type,
		needs: ['handshake'],
		check: ([filter]) =>
			[0, 1].includes(numberArgument(filter) ?? 0)
				? undefined
				: 'expects 0 for the whole list, or 1 without GREASE values',
		compile([filter]) {
			const isFiltered = numberArgument(filter) === 1;
			return ({ session }) => {
				const lists = session.tls?.helloLists;
				if (lists === undefined) return undefined;
				return show(isFiltered ? withoutGrease(listOf(lists)) : listOf(lists));
			};
		},
	};
}

const hello = (name: string, type: SampleType, read: (lists: HelloLists) => SampleValue | undefined): FetchDescriptor =>
	plain(name, type, 'handshake', ({ session }) => {
		const lists = session.tls?.helloLists;
		return lists === undefined ? undefined : read(lists);
	});

function cipherNames(ciphers: Buffer): string | undefined {
	const names: string[] = [];
	for (let at = 0; at + 2 <= ciphers.length; at += 2) names.push(cipherName(ciphers.readUInt16BE(at)));
	return nonEmpty(names.join(','));
}

/** The fetches of the key log and their labels (NSS Key Log Format). */
const SECRETS: readonly (readonly [name: string, label: string])[] = [
	['ssl_fc_client_early_traffic_secret', 'CLIENT_EARLY_TRAFFIC_SECRET'],
	['ssl_fc_client_handshake_traffic_secret', 'CLIENT_HANDSHAKE_TRAFFIC_SECRET'],
	['ssl_fc_server_handshake_traffic_secret', 'SERVER_HANDSHAKE_TRAFFIC_SECRET'],
	['ssl_fc_client_traffic_secret_0', 'CLIENT_TRAFFIC_SECRET_0'],
	['ssl_fc_server_traffic_secret_0', 'SERVER_TRAFFIC_SECRET_0'],
	['ssl_fc_exporter_secret', 'EXPORTER_SECRET'],
	['ssl_fc_early_exporter_secret', 'EARLY_EXPORTER_SECRET'],
];

export const CLIENT_HELLO_FETCHES: readonly FetchDescriptor[] = [
	list('ssl_fc_cipherlist_bin', 'bin', ({ ciphers }) => ciphers, nonEmpty),
	list(
		'ssl_fc_cipherlist_hex',
		'str',
		({ ciphers }) => ciphers,
		(ciphers) => nonEmpty(ciphers.toString('hex').toUpperCase()),
	),
	list('ssl_fc_cipherlist_str', 'str', ({ ciphers }) => ciphers, cipherNames),
	hello('ssl_fc_cipherlist_xxh', 'sint', ({ allCiphers }) => normalizeInt(BigInt.asIntN(64, xxh64(allCiphers, 0n)))),
	list('ssl_fc_extlist_bin', 'bin', ({ extensions }) => extensions, nonEmpty),
	list('ssl_fc_eclist_bin', 'bin', ({ groups }) => groups, nonEmpty),
	hello('ssl_fc_ecformats_bin', 'bin', ({ pointFormats }) => nonEmpty(pointFormats)),
	list('ssl_fc_sigalgs_bin', 'bin', ({ signatureAlgorithms }) => signatureAlgorithms, nonEmpty),
	list('ssl_fc_supported_versions_bin', 'bin', ({ versions }) => versions, nonEmpty),
	hello('ssl_fc_protocol_hello_id', 'sint', ({ version }) => version),
	...SECRETS.map(([name, label]) => plain(name, 'str', 'handshake', ({ session }) => session.tls?.secrets?.get(label))),
];

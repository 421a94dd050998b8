/** `ssl-default-bind-*` and `ssl-default-server-*` of the global section (manual, 3.1): what TLS begins with. */
import type { BindTlsModel, ServerTlsModel } from '../model.js';
import type { ParserState } from '../state.js';
import type { Keyword } from '../statement.js';
import { newBindOptions, readBindOptions } from './bind.js';
import { newServerOptions, readServerOptions } from './server.js';

/** Fields that `...-options` lines may set; they have the same names on both sides. */
const VERSION_FIELDS = ['minVersion', 'maxVersion', 'tickets'] as const;
/** And those of `bind` lines only. */
const BIND_FIELDS = [...VERSION_FIELDS, 'prefersClientCiphers', 'strictSni'] as const;

type TextField = 'ciphers' | 'ciphersuites' | 'curves' | 'sigalgs';

const text = (name: string, side: 'bindTlsDefaults' | 'serverTlsDefaults', field: TextField): Keyword<ParserState> => ({
	name,
	parse(statement, { global }) {
		const value = statement.onlyArgument('an argument');
		if (value === undefined) return;
		if (side === 'bindTlsDefaults') global.bindTlsDefaults = { ...global.bindTlsDefaults, [field]: value };
		else global.serverTlsDefaults = { ...global.serverTlsDefaults, [field]: value };
	},
});

export const TLS_DEFAULT_KEYWORDS: readonly Keyword<ParserState>[] = [
	text('ssl-default-bind-ciphers', 'bindTlsDefaults', 'ciphers'),
	text('ssl-default-bind-ciphersuites', 'bindTlsDefaults', 'ciphersuites'),
	text('ssl-default-bind-curves', 'bindTlsDefaults', 'curves'),
	text('ssl-default-server-ciphers', 'serverTlsDefaults', 'ciphers'),
	text('ssl-default-server-ciphersuites', 'serverTlsDefaults', 'ciphersuites'),
	text('ssl-default-bind-sigalgs', 'bindTlsDefaults', 'sigalgs'),
	text('ssl-default-server-curves', 'serverTlsDefaults', 'curves'),
	text('ssl-default-server-sigalgs', 'serverTlsDefaults', 'sigalgs'),
	{
		name: 'ssl-default-bind-options',
		parse(statement, state) {
			const options = newBindOptions();
			readBindOptions(statement, 1, options, state, 'ssl-default-bind-options');
			const found: Record<string, unknown> = {};
			for (const field of BIND_FIELDS) found[field] = options.tls[field];
			state.global.bindTlsDefaults = { ...state.global.bindTlsDefaults, ...(found as Partial<BindTlsModel>) };
		},
	},
	{
		name: 'ssl-default-server-options',
		parse(statement, state) {
			const options = newServerOptions();
			readServerOptions(statement, 1, options, state, 'default-server', false);
			const found: Record<string, unknown> = {};
			for (const field of VERSION_FIELDS) found[field] = options.tlsDraft[field];
			state.global.serverTlsDefaults = { ...state.global.serverTlsDefaults, ...(found as Partial<ServerTlsModel>) };
		},
	},
	{
		name: 'ssl-server-verify',
		parse(statement, { global }) {
			const verify = statement.choice(1, 'ssl-server-verify', ['none', 'required']);
			if (verify !== undefined) global.serverTlsDefaults = { ...global.serverTlsDefaults, verify };
		},
	},
];

/**
 * No keyword is read and then does nothing in silence: every field of the model that a keyword fills is read
 * somewhere outside of lib/config, or its keyword stands in `PENDING` and says so to the operator.
 */
import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { DEFAULT_OPTIONS, newGlobal, newProxy, newServerOptions } from '../../lib/config/draft.js';
import { PENDING } from '../../lib/config/features.js';
import { load } from './load.js';

/** Fields of drafts that are no fields of the model, or that other keywords' tests in lib/config serve. */
const NOT_OF_THE_MODEL = new Set([
	'modePlace',
	'backlogSet',
	'dispatchDraft',
	'balanceGiven',
	'redirects',
	'errorSources',
	'logs',
	'statsDraft',
	'serverDefaults',
	'defaults',
	'tlsDraft',
	'tlsEnabled',
	'defaultPath',
	'seen',
	'maxrewriteSet',
	'crtBase',
	'caBase',
	'keyBase',
	'certificateFiles',
	'sendsLine',
	'sendsBinary',
	'bindTlsDefaults',
	'serverTlsDefaults',
	'verifyGiven',
	// Read and applied in lib/config itself.
	'externalCheck',
	'forkWanted',
	'serverStateBase',
	'serverStateFile',
	'loadStateFrom',
	'stateFileName',
	'unixBind',
	'httpCookielen',
	// Said to have no effect by its own row.
	'chroot',
]);

/** Fields that stand for parts that features.ts `SUPPORTED` refuses as a whole, and for refused rows. */
const REFUSED_AS_A_WHOLE = new Set([
	'inheritedRules',
	'tcpResponseContent',
	'tcpResponseInspectDelayMs',
	'transparent',
	'httpUseHtx',
	'spliceAny',
	'source',
]);

function sources(): string {
	const files = readdirSync('lib', { recursive: true, encoding: 'utf8' }).filter(
		(name) => name.endsWith('.ts') && !name.startsWith('config/'),
	);
	return [...files.map((name) => `lib/${name}`)].map((name) => readFileSync(name, 'utf8')).join('\n');
}

const code = sources();
const isRead = (field: string): boolean => new RegExp(`\\b${field}\\b`).test(code);

t.test('every field is read, or its keyword is pending', async (t) => {
	const global = newGlobal();
	const place = { file: '', line: 0 };
	const fields = new Set(
		[global, global.tune, newProxy('listen', '', place), DEFAULT_OPTIONS, newServerOptions()].flatMap(Object.keys),
	);
	const pending = new Set(PENDING.map((keyword) => keyword.field));
	for (const field of fields) {
		if (NOT_OF_THE_MODEL.has(field) || REFUSED_AS_A_WHOLE.has(field)) continue;
		t.ok(isRead(field) || pending.has(field), `${field} is read outside of lib/config, or stands in PENDING`);
	}
});

t.test('what is pending is so still', async (t) => {
	for (const { name, field } of PENDING) {
		t.notOk(isRead(field), `${field} is read by nobody; else remove '${name}' from PENDING`);
	}
});

t.test('a pending keyword says that it has no effect', async (t) => {
	const accepted = load('defaults\n mode http\n option nolinger\n no option nolinger\n');
	t.match(accepted.remarks, [/^notice 3: 'option nolinger' is accepted without effect: /]);
	t.equal(accepted.remarks.length, 1);
});

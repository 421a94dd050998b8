/**
 * Frontends and limits at run time (management guide, 9.3): `enable`, `disable` and `shutdown frontend`, `set maxconn
 * frontend|global`, `set rate-limit`.
 *
 * A disabled frontend refuses who comes with a reset, instead of giving its port up as HAProxy does: its sockets are
 * the master's, and outlive every reload.
 */
import type { RateLimits } from '../../frontend/rate-limits.js';
import { type Answer, type Command, DONE, fault, type Invocation, info } from '../command.js';
import type { RuntimeState, RuntimeView } from '../runtime-view.js';
import { wholeNumber } from './names.js';

type FrontendState = NonNullable<ReturnType<RuntimeState['frontends']['get']>>;

function onFrontend(
	change: (name: string, state: FrontendState, invocation: Invocation) => Answer,
	at = 2,
): Command['run'] {
	return (invocation) => {
		const name = invocation.words[at];
		if (name === undefined) return fault('A frontend name is expected.');
		const state = invocation.view.state.frontends.get(name);
		return state === undefined ? fault('No such frontend.') : change(name, state, invocation);
	};
}

function setAccepts(view: RuntimeView, frontend: string, state: FrontendState, accepts: boolean): Answer {
	state.accepts = accepts;
	view.threads.tell({ kind: 'frontend-accepts', frontend, accepts });
	return DONE;
}

const enableFrontend = onFrontend((name, state, { view }) => {
	if (state.stopped) return fault('Frontend was previously shut down, cannot enable.');
	return state.accepts ? info('All sockets are already enabled.') : setAccepts(view, name, state, true);
});

const disableFrontend = onFrontend((name, state, { view }) => {
	if (state.stopped) return fault('Frontend was previously shut down, cannot disable.');
	return state.accepts ? setAccepts(view, name, state, false) : info('All sockets are already disabled.');
});

const shutdownFrontend = onFrontend((name, state, { view }) => {
	if (state.stopped) return fault('Frontend was already shut down.');
	state.stopped = true;
	return setAccepts(view, name, state, false);
});

const setFrontendMaxconn = onFrontend((name, state, { words, view }) => {
	if (words[4] === undefined) return fault('Integer value expected.');
	const limit = wholeNumber(words[4]);
	if (limit === undefined) return fault('Integer value expected.');
	if (limit < 0) return fault('Value out of range.');
	state.maxconn = limit;
	view.threads.tell({ kind: 'maxconn', frontend: name, limit });
	return DONE;
}, 3);

function setGlobalMaxconn({ words, view }: Invocation): Answer {
	const limit = wholeNumber(words[3]);
	if (limit === undefined) return fault('Expects an integer value.');
	const configured = view.model.global.maxconn ?? 0;
	// 0 gives back what the configuration says, which cannot be exceeded.
	if (limit < 0 || (configured > 0 && limit > configured)) return fault('Value out of range.');
	view.state.maxconn = limit === 0 ? configured : limit;
	view.threads.tell({ kind: 'maxconn', frontend: undefined, limit: view.state.maxconn });
	return DONE;
}

/** What can be limited, and what the limit is of. */
const RATE_LIMITS: ReadonlyMap<string, string> = new Map([
	['connections', 'connection rate'],
	['sessions', 'session rate'],
	['ssl-sessions', 'SSL session rate'],
	['http-compression', 'compression speed in kB/s'],
]);

/** Which of the limits of the process a word names. */
const LIMIT_NAMES: ReadonlyMap<string, keyof RateLimits> = new Map([
	['connections', 'connections'],
	['sessions', 'sessions'],
	['ssl-sessions', 'tls'],
]);

function setRateLimit({ words, view }: Invocation): Answer {
	const [what = '', scope = '', value] = words.slice(2);
	if (!RATE_LIMITS.has(what) || scope !== 'global') {
		const known = [...RATE_LIMITS].map(
			([name, limited]) => `   - '${name} global' to set the per-process maximum ${limited}`,
		);
		return fault(`'set rate-limit' only supports :\n${known.join('\n')}`);
	}
	const limit = wholeNumber(value);
	if (limit === undefined) return fault('Expects an integer value.');
	if (limit < 0) return fault('Value out of range.');
	const name = LIMIT_NAMES.get(what);
	if (name === undefined) {
		// Given in kilobytes per second, as `maxcomprate` is.
		view.state.compressionRateMax = limit * 1024;
		view.threads.tell({ kind: 'compression-rate', bytesPerSecond: view.state.compressionRateMax });
		return DONE;
	}
	view.state.rateLimits = { ...view.state.rateLimits, [name]: limit };
	view.threads.tell({ kind: 'rate-limits', limits: view.state.rateLimits });
	return DONE;
}

export const LIMIT_COMMANDS: readonly Command[] = [
	{
		words: ['enable', 'frontend'],
		level: 'admin',
		usage: 'enable frontend <frontend>',
		help: 'let a disabled frontend accept again',
		run: enableFrontend,
	},
	{
		words: ['disable', 'frontend'],
		level: 'admin',
		usage: 'disable frontend <frontend>',
		help: 'refuse new connections on a frontend for a while',
		run: disableFrontend,
	},
	{
		words: ['shutdown', 'frontend'],
		level: 'admin',
		usage: 'shutdown frontend <frontend>',
		help: 'refuse new connections on a frontend until the next reload',
		run: shutdownFrontend,
	},
	{
		words: ['set', 'maxconn', 'frontend'],
		level: 'admin',
		usage: 'set maxconn frontend <frontend> <value>',
		help: "change a frontend's limit of connections, 0 for none",
		run: setFrontendMaxconn,
	},
	{
		words: ['set', 'maxconn', 'global'],
		level: 'admin',
		usage: 'set maxconn global <value>',
		help: 'change the limit of connections of the process, 0 for what the configuration says',
		run: setGlobalMaxconn,
	},
	{
		words: ['set', 'rate-limit'],
		level: 'admin',
		usage: 'set rate-limit <setting> <value>',
		help: 'most connections, sessions, TLS connections or compressed kB per second, 0 for no limit',
		run: setRateLimit,
	},
];

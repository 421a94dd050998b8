/**
 * Sections: which words open one, what its name may be, and which table of keywords reads its lines.
 *
 * A section's kind is a row: to open it makes a draft, to read a line hands it to the draft's table.
 * Sections of HAProxy that Holdfast does not have are rows too; they are refused once, by name, and
 * their lines are skipped, since nothing sensible can be said about them.
 */
import { didYouMean, type Place } from '../core/diagnostics.js';
import { inheritDefaults, newProxy, type ProxyDraft } from './draft.js';
import { AGGREGATIONS_KEYWORDS, newAggregation } from './keywords/aggregations.js';
import { CACHE_KEYWORDS, newCache } from './keywords/cache.js';
import { CRT_STORE_KEYWORDS } from './keywords/crt-store.js';
import { DYNAMIC_UPDATE_KEYWORDS } from './keywords/dynamic-update.js';
import { GLOBAL_KEYWORDS } from './keywords/global.js';
import { HTTP_ERRORS_KEYWORDS, newHttpErrors } from './keywords/http-errors.js';
import { LOG_FORWARD_KEYWORDS, newLogForward } from './keywords/log-forward.js';
import { LOG_PROFILE_KEYWORDS, newLogProfile } from './keywords/log-profile.js';
import { newPeers, PEERS_KEYWORDS } from './keywords/peers.js';
import { PROXY_KEYWORDS } from './keywords/proxy.js';
import { newResolvers, RESOLVERS_KEYWORDS } from './keywords/resolvers.js';
import { newRing, RING_KEYWORDS } from './keywords/ring.js';
import { newUserlist, USERLIST_KEYWORDS } from './keywords/userlist.js';
import type { ParserState } from './state.js';
import { Statement } from './statement.js';

/** Sections of the manual, and of HAProxy Enterprise, that Holdfast refuses by name. */
export const REFUSED_SECTIONS: readonly string[] = ['acme', 'fcgi-app', 'mailers', 'program', 'traces', 'udp-lb'];

export const BUILT_SECTIONS = [
	'global',
	'defaults',
	'frontend',
	'backend',
	'listen',
	'peers',
	'aggregations',
	'ring',
	'log-profile',
	'log-forward',
	'resolvers',
	'dynamic-update',
	'userlist',
	'http-errors',
	'cache',
	'crt-store',
];

const SECTION_NAMES: ReadonlySet<string> = new Set([...REFUSED_SECTIONS, ...BUILT_SECTIONS]);

type LineReader = (statement: Statement) => void;

/** Characters of the names of sections (manual, chapter 4). */
const BAD_NAME_CHARACTER = /[^A-Za-z0-9_.:-]/;

export class SectionReader {
	readonly #state: ParserState;
	#keyword = '';
	#name = '';
	#reader: LineReader | undefined;
	#lastDefaults: ProxyDraft | undefined;
	readonly #namedDefaults = new Map<string, ProxyDraft>();
	/** Names that two defaults sections have, which is harmless until a `from` needs one of them. */
	readonly #twinDefaults = new Map<string, string>();
	/** Defaults sections that a `from` names, to warn when the same one also serves by being the last. */
	readonly #explicitDefaults = new Set<ProxyDraft>();
	readonly #implicitDefaults = new Map<ProxyDraft, ProxyDraft>();

	constructor(state: ParserState) {
		this.#state = state;
	}

	/** What `${.SECTION}` is: the name of the section, or its type when it has none. */
	get shownName(): string {
		return this.#name === '' ? this.#keyword : this.#name;
	}

	/** The end of a file is the end of a section (manual, 2.1). */
	endFile(): void {
		this.#keyword = '';
		this.#name = '';
		this.#reader = undefined;
	}

	/** Takes one line of words, which is not empty. */
	read(place: Place, words: readonly string[]): void {
		const first = words[0] as string;
		if (SECTION_NAMES.has(first) && !this.#belongsToAggregation(first)) {
			this.#open(new Statement(place, words, first, this.#state.diagnostics));
			return;
		}
		if (this.#keyword === '') {
			this.#state.diagnostics.alert(
				place,
				`unknown keyword '${first}' out of section${didYouMean(first, SECTION_NAMES)}`,
			);
			return;
		}
		if (this.#reader === undefined) return;
		const prefix = (first === 'no' || first === 'default') && words.length > 1 ? first : undefined;
		const line = prefix === undefined ? words : words.slice(1);
		this.#reader(new Statement(place, line, this.#keyword, this.#state.diagnostics, prefix, this.#name));
	}

	/**
	 * `peers NAME` opens a section, but as long as an aggregations section has no nodes it says which ones: without
	 * them it would be refused, so nothing that means something is read otherwise.
	 */
	#belongsToAggregation(first: string): boolean {
		if (first !== 'peers' || this.#keyword !== 'aggregations' || this.#reader === undefined) return false;
		const aggregation = this.#state.aggregations.at(-1);
		return aggregation?.peers === undefined && aggregation?.section.peers.length === 0;
	}

	/** Says what can only be said when all sections are known. */
	finish(): void {
		for (const [defaults, proxy] of this.#implicitDefaults) {
			if (!this.#explicitDefaults.has(defaults) || defaults.name === '') continue;
			this.#state.diagnostics.warning(
				proxy.place,
				`defaults section '${defaults.name}' (declared at ${defaults.place.file}:${defaults.place.line}) is explicitly referenced by another proxy and implicitly used here. To avoid any ambiguity don't mix both usage.`,
			);
		}
	}

	#open(statement: Statement): void {
		this.#keyword = statement.word(0);
		this.#name = statement.word(1);
		// Until the section is known to be good its lines have no reader and are passed over.
		this.#reader = undefined;
		const { diagnostics } = statement;
		if (REFUSED_SECTIONS.includes(this.#keyword)) {
			statement.alert(`section '${this.#keyword}' is not supported by holdfast`);
			return;
		}
		switch (this.#keyword) {
			case 'global':
				if (statement.atMost(0)) this.#reader = (line) => GLOBAL_KEYWORDS.read(line, this.#state);
				return;
			case 'peers':
				this.#openPeers(statement);
				return;
			case 'aggregations': {
				if (!this.#namedSection(statement, `'aggregations' expects <name> as argument.`)) return;
				if (this.#state.aggregations.some(({ name }) => name === this.#name)) {
					statement.alert(`aggregations section '${this.#name}' is declared twice.`);
				}
				const aggregation = newAggregation(this.#name, statement.place);
				this.#state.aggregations.push(aggregation);
				this.#reader = (line) => AGGREGATIONS_KEYWORDS.read(line, { aggregation, state: this.#state });
				return;
			}
			case 'ring': {
				if (!this.#namedSection(statement, `missing ring name.`)) return;
				if (this.#state.rings.some(({ name }) => name === this.#name)) {
					statement.alert(`sink named '${this.#name}' already exists.`);
				}
				const ring = newRing(this.#name, statement.place);
				this.#state.rings.push(ring);
				this.#reader = (line) => RING_KEYWORDS.read(line, { ring, state: this.#state });
				return;
			}
			case 'dynamic-update':
				if (statement.atMost(0)) this.#reader = (line) => DYNAMIC_UPDATE_KEYWORDS.read(line, this.#state);
				return;
			case 'resolvers': {
				if (!this.#namedSection(statement, `missing name for resolvers section.`)) return;
				const twin = this.#state.resolvers.find(({ name }) => name === this.#name);
				if (twin !== undefined) {
					statement.alert(
						`resolvers '${this.#name}' has same name as another resolvers (declared at ${twin.place.file}:${twin.place.line}).`,
					);
				}
				const resolvers = newResolvers(this.#name, statement.place);
				this.#state.resolvers.push(resolvers);
				this.#reader = (line) => RESOLVERS_KEYWORDS.read(line, { resolvers, state: this.#state });
				return;
			}
			case 'log-profile': {
				if (!this.#namedSection(statement, `'log-profile' expects <name> as argument.`)) return;
				if (this.#state.logProfiles.some(({ name }) => name === this.#name)) {
					statement.alert(`log-profile section '${this.#name}' is declared twice.`);
				}
				const profile = newLogProfile(this.#name, statement.place);
				this.#state.logProfiles.push(profile);
				this.#reader = (line) => LOG_PROFILE_KEYWORDS.read(line, profile);
				return;
			}
			case 'log-forward': {
				if (!this.#namedSection(statement, `missing name for log-forward section.`)) return;
				const section = newLogForward(this.#name, statement.place);
				this.#state.logForwards.push(section);
				this.#reader = (line) => LOG_FORWARD_KEYWORDS.read(line, { section, state: this.#state });
				return;
			}
			case 'userlist': {
				if (!this.#namedSection(statement, `'userlist' expects <name> as argument.`)) return;
				const list = newUserlist(this.#name, statement.place);
				if (this.#state.userlists.some((known) => known.name === this.#name)) {
					diagnostics.warning(statement.place, `ignoring duplicated userlist '${this.#name}'.`);
				} else this.#state.userlists.push(list);
				this.#reader = (line) => USERLIST_KEYWORDS.read(line, list);
				return;
			}
			case 'cache': {
				if (!this.#namedSection(statement, `'cache' expects a <name> argument`)) return;
				if (this.#state.caches.some((cache) => cache.name === this.#name)) {
					statement.alert(`Duplicate cache name '${this.#name}'.`);
				}
				const cache = newCache(this.#name, statement.place);
				this.#state.caches.push(cache);
				this.#reader = (line) => CACHE_KEYWORDS.read(line, cache);
				return;
			}
			case 'crt-store': {
				// It may go without a name.
				if (this.#name !== '' && !this.#namedSection(statement, '')) return;
				const store = { name: this.#name, state: this.#state, crtBase: undefined, keyBase: undefined };
				this.#reader = (line) => CRT_STORE_KEYWORDS.read(line, store);
				return;
			}
			case 'http-errors': {
				if (!this.#namedSection(statement, `'http-errors' expects <name> as argument.`)) return;
				if (this.#state.httpErrors.some((group) => group.name === this.#name)) {
					statement.alert(`http-errors section '${this.#name}' is declared twice.`);
				}
				const group = newHttpErrors(this.#name, statement.place);
				this.#state.httpErrors.push(group);
				this.#reader = (line) => HTTP_ERRORS_KEYWORDS.read(line, { group, state: this.#state });
				return;
			}
			default:
				this.#openProxy(statement);
		}
	}

	#namedSection(statement: Statement, missing: string): boolean {
		if (this.#name === '') {
			statement.alert(missing);
			return false;
		}
		const bad = BAD_NAME_CHARACTER.exec(this.#name);
		if (bad !== null) {
			statement.alert(`character '${bad[0]}' is not permitted in '${this.#keyword}' name '${this.#name}'.`);
			return false;
		}
		return statement.atMost(1);
	}

	#openPeers(statement: Statement): void {
		if (!this.#namedSection(statement, `'peers' expects <name> as argument.`)) return;
		const known = this.#state.peers.find((peers) => peers.name === this.#name);
		if (known !== undefined) {
			statement.alert(
				`peers section '${this.#name}' has the same name as another peers section declared at ${known.place.file}:${known.place.line}.`,
			);
		}
		const peers = newPeers(this.#name, statement.place);
		this.#state.peers.push(peers);
		this.#reader = (line) => PEERS_KEYWORDS.read(line, { peers, state: this.#state });
	}

	#openProxy(statement: Statement): void {
		const kind = this.#keyword as ProxyDraft['kind'];
		// `defaults` may lack its name, and `defaults from x` has none.
		const anonymous = kind === 'defaults' && (this.#name === '' || this.#name === 'from');
		if (anonymous) this.#name = '';
		else if (this.#name === '') {
			statement.alert(`'${kind}' expects an <id> argument`);
			return;
		}
		const bad = BAD_NAME_CHARACTER.exec(this.#name);
		if (bad !== null && kind !== 'defaults') {
			statement.alert(`character '${bad[0]}' is not permitted in '${kind}' name '${this.#name}'.`);
			return;
		}
		const fromAt = anonymous ? 1 : 2;
		const base = this.#baseDefaults(statement, kind, fromAt);
		if (base === 'refused') return;

		const draft = newProxy(kind, this.#name, statement.place);
		if (base !== undefined) {
			inheritDefaults(draft, base);
			// Rules do not pass from one defaults section to the next (manual, 4.2 `http-request`).
			if (kind === 'defaults') draft.defaults = undefined;
			else if (statement.word(fromAt) !== 'from') {
				if (!this.#implicitDefaults.has(base)) this.#implicitDefaults.set(base, draft);
			}
		}
		if (kind === 'defaults') {
			this.#lastDefaults = draft;
			if (this.#name !== '') {
				const twin = this.#namedDefaults.get(this.#name);
				if (twin !== undefined && this.#explicitDefaults.has(twin)) {
					statement.alert(
						`defaults section '${this.#name}' conflicts with the one of the same name at ${twin.place.file}:${twin.place.line}, which another section names with 'from'.`,
					);
				}
				if (twin !== undefined) {
					const places = [twin.place, draft.place].map((place) => `${place.file}:${place.line}`);
					this.#twinDefaults.set(this.#name, places.join(' and '));
				}
				this.#namedDefaults.set(this.#name, draft);
				this.#state.defaults.push(draft);
			}
		} else this.#state.proxies.push(draft);
		const site = { proxy: draft, state: this.#state };
		this.#reader = (line) => PROXY_KEYWORDS.read(line, site);
	}

	/** The defaults section a new proxy begins with: the one `from` names, else the last one. */
	#baseDefaults(statement: Statement, kind: string, fromAt: number): ProxyDraft | undefined | 'refused' {
		const word = statement.word(fromAt);
		if (word === '') {
			if (!statement.atMost(fromAt - 1)) return 'refused';
			return kind === 'defaults' ? undefined : this.#lastDefaults;
		}
		if (word !== 'from') {
			statement.alert(
				kind === 'defaults' || kind === 'backend'
					? `'${kind}' cannot handle unexpected argument '${word}'.`
					: `please use the 'bind' keyword for listening addresses (got '${word}').`,
			);
			return 'refused';
		}
		const name = statement.word(fromAt + 1);
		if (!statement.atMost(fromAt + 1)) return 'refused';
		const found = this.#namedDefaults.get(name);
		const twins = this.#twinDefaults.get(name);
		if (twins !== undefined) {
			statement.alert(
				`ambiguous defaults section name '${name}' referenced by ${kind} '${this.#name}' exists at least at ${twins}.`,
			);
			return 'refused';
		}
		if (found === undefined) {
			statement.alert(
				`defaults section '${name}' not found for ${kind} '${this.#name}'${didYouMean(name, this.#namedDefaults.keys())}`,
			);
			return 'refused';
		}
		this.#explicitDefaults.add(found);
		return found;
	}
}

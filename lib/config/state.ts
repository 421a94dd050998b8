/**
 * What one reading of the configuration knows so far. Made by `loadConfiguration`, passed to every
 * keyword, thrown away when the model has been made.
 */
import { dirname } from 'node:path';
import type { Diagnostics, Place } from '../core/diagnostics.js';
import { systemReason } from '../core/errors.js';
import type { StoredCertificate } from './certificates.js';
import type {
	AggregationDraft,
	CacheDraft,
	GlobalDraft,
	HttpErrorsDraft,
	LogProfileDraft,
	PeersDraft,
	ProxyDraft,
	RingDraft,
	UserlistDraft,
} from './draft.js';
import type { LogForwardDraft } from './keywords/log-forward.js';
import type { ResolversDraft } from './keywords/resolvers.js';
import type { UpdateModel } from './model.js';

export class ParserState {
	readonly diagnostics: Diagnostics;
	readonly global: GlobalDraft;
	/** What `"$NAME"` sees; `setenv` and its kin write it. */
	readonly environment: Map<string, string>;
	readonly proxies: ProxyDraft[] = [];
	/** Named ones. */
	readonly defaults: ProxyDraft[] = [];
	readonly peers: PeersDraft[] = [];
	readonly aggregations: AggregationDraft[] = [];
	readonly rings: RingDraft[] = [];
	readonly logProfiles: LogProfileDraft[] = [];
	readonly logForwards: LogForwardDraft[] = [];
	readonly resolvers: ResolversDraft[] = [];
	readonly updates: UpdateModel[] = [];
	readonly userlists: UserlistDraft[] = [];
	readonly httpErrors: HttpErrorsDraft[] = [];
	readonly caches: CacheDraft[] = [];
	/** Certificates of `crt-store` sections, by what `crt` calls them: `@store/alias`, or a path. */
	readonly storedCertificates = new Map<string, StoredCertificate>();
	/** A table's line was refused: that a rule does not find the table is then no news. */
	tableRefused = false;
	/** Contents of files by the path as the configuration writes it. */
	readonly files = new Map<string, string>();
	readonly #readFile: (path: string) => string;
	/** Files that could not be read: each is reported once per line, but tried once. */
	readonly #unreadable = new Map<string, string>();

	constructor(
		diagnostics: Diagnostics,
		global: GlobalDraft,
		environment: Map<string, string>,
		readFile: (path: string) => string,
	) {
		this.diagnostics = diagnostics;
		this.global = global;
		this.environment = environment;
		this.#readFile = readFile;
	}

	/** The content of a file that the line at `place` names; what cannot be read is an error of that line. */
	readFile(path: string, place: Place, what: string): string | undefined {
		const known = this.files.get(path);
		if (known !== undefined) return known;
		const content = this.tryReadFile(path, place);
		if (typeof content !== 'string') {
			this.diagnostics.alert(place, `${what}: cannot read file '${path}' : ${content.reason}.`);
			return undefined;
		}
		this.files.set(path, content);
		return content;
	}

	tryReadFile(path: string, place?: Place): string | { readonly reason: string } {
		const resolved = place === undefined ? path : this.resolvePath(path, place);
		const reason = this.#unreadable.get(resolved);
		if (reason !== undefined) return { reason };
		try {
			return this.#readFile(resolved);
		} catch (error) {
			const text = systemReason(error);
			this.#unreadable.set(resolved, text);
			return { reason: text };
		}
	}

	/** Relative paths start where `default-path` says (manual, 3.1). */
	resolvePath(path: string, place: Place): string {
		if (path.startsWith('/')) return path;
		const { policy, origin } = this.global.defaultPath;
		switch (policy) {
			case 'current':
				return path;
			case 'config':
				return `${dirname(place.file)}/${path}`;
			case 'parent':
				return `${dirname(place.file)}/../${path}`;
			case 'origin':
				return `${origin}/${path}`;
		}
	}

	/** The number of a user of /etc/passwd. */
	userId(name: string): number | undefined {
		return this.#lookup('/etc/passwd', name);
	}

	groupId(name: string): number | undefined {
		return this.#lookup('/etc/group', name);
	}

	/** Both files have the name first and the number third, between colons (passwd(5), group(5)). */
	#lookup(file: string, name: string): number | undefined {
		const content = this.tryReadFile(file);
		if (typeof content !== 'string') return undefined;
		for (const line of content.split('\n')) {
			const fields = line.split(':');
			if (fields[0] === name && /^\d+$/.test(fields[2] ?? '')) return Number(fields[2]);
		}
		return undefined;
	}
}

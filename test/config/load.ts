/** Loads a configuration from text, with nothing of the machine in it. */
import { type LoadOptions, readConfiguration } from '../../lib/config/index.js';
import type { ConfigModel } from '../../lib/config/model.js';
import { Diagnostics } from '../../lib/core/diagnostics.js';

/** What a test's configuration finds on its disk. */
const DISK: ReadonlyMap<string, string> = new Map([
	['/etc/passwd', 'root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/bin/false\n'],
	['/etc/group', 'root:x:0:\ndaemon:x:1:\n'],
]);

/** How the refusal of a keyword ends that is read well and whose runtime is not built. */
const YET = 'is not supported by holdfast yet';

export interface Loaded {
	/** As `loadConfiguration` returns it, except that keywords which are only waiting for their runtime do no harm. */
	readonly model: ConfigModel | undefined;
	readonly diagnostics: Diagnostics;
	/** `alert 12: text`, without the file's name; `warning -: text` where there is no place. */
	readonly remarks: readonly string[];
}

export function load(
	text: string,
	options: Partial<LoadOptions> & { readonly disk?: ReadonlyMap<string, string> } = {},
): Loaded {
	const diagnostics = new Diagnostics();
	const read = readConfiguration(
		{
			files: [{ path: 'test.cfg', content: text }],
			hostName: 'me',
			cores: 2,
			environment: {},
			readFile(path) {
				const content = options.disk?.get(path) ?? DISK.get(path);
				if (content === undefined) throw Object.assign(new Error(`cannot read ${path}`), { code: 'ENOENT' });
				return content;
			},
			...options,
		},
		diagnostics,
	);
	const remarks = diagnostics.list.map((item) => `${item.severity} ${item.place?.line ?? '-'}: ${item.text}`);
	const faulty = diagnostics.list.some((item) => item.severity === 'alert' && !item.text.includes(YET));
	return { model: faulty ? undefined : read, diagnostics, remarks };
}

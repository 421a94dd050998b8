/** Files that `dynamic-update` fetches anew: `lb-update list|status|force-update`, as HAProxy Enterprise calls them. */
import { type Answer, type Command, DONE, fault, type Invocation } from '../command.js';

function list({ view }: Invocation): Answer {
	const lines = ['# lb-update configured entries\n', '# id: next update\n'];
	for (const { model, nextInMs } of view.updates?.status() ?? []) {
		lines.push(`${model.id}: ${nextInMs === undefined ? 'now' : `${Math.ceil(nextInMs / 1000)}s`}\n`);
	}
	return lines;
}

function status({ view }: Invocation): Answer {
	const lines = ['# id kind updates failures last_failure\n'];
	for (const { model, updateCount, failureCount, trouble } of view.updates?.status() ?? []) {
		lines.push(
			`${model.id} ${model.kind} ${updateCount} ${failureCount} ${trouble === undefined ? '-' : `"${trouble}"`}\n`,
		);
	}
	return lines;
}

function force({ words, view }: Invocation): Answer {
	const id = words[2];
	if (id === undefined) return fault("'lb-update force-update' expects the id of an update.");
	return view.updates?.force(id) === true ? DONE : fault('No such update.');
}

export const UPDATE_COMMANDS: readonly Command[] = [
	{
		words: ['lb-update', 'list'],
		level: 'user',
		usage: 'lb-update list',
		help: 'files that are fetched anew, and when next',
		run: list,
	},
	{
		words: ['lb-update', 'status'],
		level: 'user',
		usage: 'lb-update status',
		help: 'how often they were, and what went wrong last',
		run: status,
	},
	{
		words: ['lb-update', 'force-update'],
		level: 'admin',
		usage: 'lb-update force-update <id>',
		help: 'fetch a file now',
		run: force,
	},
];

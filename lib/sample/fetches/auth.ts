/**
 * Fetches that check credentials against a user list (manual, 7.3.6): `http_auth`, `http_auth_group`. As a sample
 * the latter gives the user's name; an ACL gets the user's groups, which is what its patterns name.
 */
import type { UserlistModel } from '../../config/model.js';
import { basicCredentials } from '../http-parts.js';
import { encryptedPasswordError, passwordMatches } from '../password.js';
import type { ArgumentValue, FetchDescriptor, StreamView } from '../types.js';
import { required } from './define.js';

type User = UserlistModel['users'][number];

/** The user of the request, if the password is right. */
function authenticated(stream: StreamView, users: ReadonlyMap<string, User>): User | undefined {
	const credentials = stream.request === undefined ? undefined : basicCredentials(stream.request.headers);
	const user = credentials === undefined ? undefined : users.get(credentials.user);
	if (credentials === undefined || user === undefined) return undefined;
	return passwordMatches(credentials.password, user.password, user.encrypted) ? user : undefined;
}

const usersOf = (argument: ArgumentValue): ReadonlyMap<string, User> =>
	new Map((argument as UserlistModel).users.map((user) => [user.name, user]));

function checkUsers([list]: readonly ArgumentValue[]): string | undefined {
	for (const user of (list as UserlistModel).users) {
		const error = user.encrypted ? encryptedPasswordError(user.password) : undefined;
		if (error !== undefined) return `user '${user.name}' of userlist '${(list as UserlistModel).name}' : ${error}`;
	}
	return undefined;
}

export const AUTH_FETCHES: readonly FetchDescriptor[] = [
	{
		name: 'http_auth',
		args: [required('userlist')],
		type: 'bool',
		needs: ['request-head'],
		check: checkUsers,
		compile: ([list]) => {
			const users = usersOf(list);
			return (stream) => {
				if (stream.request === undefined || basicCredentials(stream.request.headers) === undefined) return undefined;
				return authenticated(stream, users) !== undefined;
			};
		},
	},
	{
		name: 'http_auth_group',
		args: [required('userlist')],
		type: 'str',
		needs: ['request-head'],
		check: checkUsers,
		compile: ([list]) => {
			const users = usersOf(list);
			return (stream) => authenticated(stream, users)?.name;
		},
		compileEach: ([list]) => {
			const users = usersOf(list);
			// A group lists its users as well as a user its groups: the model holds both in `groups`.
			return (stream, visit) => authenticated(stream, users)?.groups.some((group) => visit(group)) ?? false;
		},
	},
];

import { useQuery } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { api, ok } from '../lib/api'
import { useActs } from '../lib/keys'
import { useMay } from '../lib/me'
import { t, tOf } from '../lib/words'
import { Badge } from '../ui/badge'
import { Button } from '../ui/button'
import { Empty } from '../ui/empty'
import { Select } from '../ui/select'
import { Sheet } from '../ui/sheet'
import { Ago } from '../ui/time'
import { type User, useRoles, useUsers } from './data'
import { Invited, InviteForm, type Made } from './invite'
import { Listing } from './listing'
import { useLoadCell } from './load'
import { Page } from './page'
import { Presence } from './states'

const frame = getRouteApi('/inside/console')
const here = getRouteApi('/inside/console/people')
const states: Record<string, 'good' | 'plain' | 'lost'> = { active: 'good', invited: 'plain', deactivated: 'lost' }
export const UserState = ({ state }: { state: string }) => <Badge tone={states[state]}>{tOf('console.userState', state)}</Badge>

/** Who works here, and who is invited. */
export function People() {
  const { project } = frame.useSearch()
  const { role } = here.useSearch()
  const may = useMay()
  const go = useNavigate()
  const users = useUsers()
  const named = useRoles()
  const pool = useQuery({ queryKey: ['pool', project], enabled: !!project, queryFn: () => ok(api.GET('/v1/projects/{id}/pool', { params: { path: { id: project! } } })) })
  const [inviting, invite] = useState(false)
  const manage = !!may('people:manage')
  const load = useLoadCell(project)
  useActs(manage ? [{ id: 'people.invite', words: t('console.people.invite'), keys: 'n', group: t('console.nav.people'), run: () => invite(true) }] : [])
  const shown = (users.data ?? []).filter((u) => (!role || u.role === role) && (!project || !pool.data || pool.data.members.some((m) => m.user_id === u.id)))
  return (
    <Page
      full
      title={t('console.nav.people')}
      action={
        <>
          <Select hideLabel className="w-44" label={t('console.col.role')} value={role ?? '*'} onChange={(v) => void go({ to: '.', search: (s: object) => ({ ...s, role: v === '*' ? undefined : v }) as never, replace: true })} choices={[{ value: '*', label: t('console.people.anyRole') }, ...named.choices]} />
          {manage && <Button look="primary" icon="plus" onClick={() => invite(true)}>{t('console.people.invite')}</Button>}
        </>
      }
    >
      <Listing
        query={users}
        rows={shown}
        empty={<Empty title={t('console.people.none')} words={t('console.people.noneWords')} />}
        keys={{ next: t('console.people.next'), before: t('console.people.before') }}
        label={t('console.nav.people')}
        rowKey={(u) => u.id}
        onOpen={(u) => void go({ to: '/console/people/$id', params: { id: u.id } })}
        columns={[
          { id: 'name', width: 'minmax(160px,2fr)', head: t('console.person.name'), cell: (u: User) => <span className="font-medium">{u.name}</span> },
          { id: 'role', width: 'minmax(126px,1fr)', head: t('console.col.role'), cell: (u: User) => named.name(u.role) },
          { id: 'state', width: '150px', head: t('console.col.state'), cell: (u: User) => <UserState state={u.state} /> },
          { id: 'presence', width: '150px', head: t('console.col.presence'), cell: (u: User) => (u.state === 'active' ? <Presence state={u.presence} /> : <span className="text-faint">–</span>) },
          ...(may('reports:read') ? [{ id: 'load', width: '130px', end: true, head: t('console.limit.capacity_open'), cell: (u: User) => load(u.id) }] : []),
          { id: 'since', width: '100px', end: true, head: t('console.col.since'), cell: (u: User) => <Ago at={u.state === 'active' ? u.presence_since : u.created_at} /> },
        ]}
      />
      <Sheet open={inviting} onClose={() => invite(false)} title={t('console.people.invite')}>
        {inviting && <Invite onClose={() => invite(false)} />}
      </Sheet>
    </Page>
  )
}

function Invite({ onClose }: { onClose: () => void }) {
  const [made, setMade] = useState<Made | null>(null)
  if (!made) return <InviteForm onMade={setMade} />
  return (
    <div className="space-y-4">
      <Invited made={made} />
      <Button look="primary" onClick={onClose}>{t('common.close')}</Button>
    </div>
  )
}

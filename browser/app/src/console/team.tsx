import { useMutation } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { faultOf } from '../lib/fault'
import { count } from '../lib/format'
import { useMay } from '../lib/me'
import { queries } from '../lib/query'
import { t } from '../lib/words'
import { Missing } from '../root'
import { Badge } from '../ui/badge'
import { Button } from '../ui/button'
import { Field } from '../ui/field'
import { Select } from '../ui/select'
import { Rows } from '../ui/skeleton'
import { formFault, say, sayFault } from '../ui/toast'
import { Changes } from './changes'
import { useProjects, useUsers } from './data'
import { Page, Part, Sorry } from './page'
import { usePolicies, usePool } from './policies'
import { Presence } from './states'

const here = getRouteApi('/inside/console/routing/team/$project')

/** Who is offered a project's leads, for how long, and what happens when nobody takes one. */
export function TeamPage() {
  const { project } = here.useParams()
  const projects = useProjects().data
  const pool = usePool(project)
  const named = projects?.find((p) => p.id === project)?.name
  if (projects && !named) return <Missing />
  const none = pool.isError && faultOf(pool.error).status === 404
  if (pool.isError && !none) return <Sorry error={pool.error} again={() => void pool.refetch()} />
  return (
    <Page title={named ?? ''} words={<><Link to="/console/routing" className="underline underline-offset-4">{t('console.nav.routing')}</Link> · {t('console.team.words')}</>}>
      {!pool.data && !none ? <Rows n={6} /> : (
        <div className="grid grid-cols-1 gap-x-14 gap-y-10 lg:grid-cols-[minmax(0,1fr)_340px]">
          <div className="min-w-0 space-y-10">
            <Members project={project} members={pool.data?.members ?? []} />
            <Changes about={project} />
          </div>
          <div className="space-y-10">
            <Offering key={pool.data?.id} project={project} pool={pool.data} />
            <FromPolicy project={project} />
          </div>
        </div>
      )}
    </Page>
  )
}

const took = (project: string) => (now: Schemas['Pool']) => {
  queries.setQueryData(['pool', project], now)
  void queries.invalidateQueries({ queryKey: ['pool', 'of'] })
}

function Members({ project, members }: { project: string; members: Schemas['PoolMember'][] }) {
  const manage = !!useMay()('routing:manage')
  const users = useUsers().data ?? []
  const free = users.filter((u) => u.state !== 'deactivated' && !members.some((m) => m.user_id === u.id))
  const path = (user: string) => ({ path: { id: project, user } })
  const put = useMutation({ mutationFn: ({ user, ...body }: { user: string; lead?: boolean; offers?: boolean }) => ok(api.PUT('/v1/projects/{id}/pool/members/{user}', { params: path(user), body })), onSuccess: took(project), onError: sayFault })
  const drop = useMutation({ mutationFn: (user: string) => ok(api.DELETE('/v1/projects/{id}/pool/members/{user}', { params: path(user) })), onError: sayFault, onSettled: () => void queries.invalidateQueries({ queryKey: ['pool'] }) })
  return (
    <Part title={t('console.team.members')}>
      {members.length === 0 && <p className="pb-3 text-soft">{t('console.team.none')}</p>}
      <ul>
        {members.map((m) => (
          <li key={m.user_id} className="flex flex-wrap items-center gap-x-5 gap-y-1 border-b border-line py-2 text-sm">
            <span className="min-w-40 flex-1"><Link to="/console/people/$id" params={{ id: m.user_id }} className="font-medium underline-offset-4 hover:underline">{m.name}</Link><span className="block text-xs text-soft">{t('console.people.offered', { count: m.offers_made })}</span></span>
            {m.active ? <Presence state={m.presence} /> : <Badge tone="lost">{t('console.team.inactive')}</Badge>}
            {m.active && !m.on_shift && <Badge>{t('console.board.offShift')}</Badge>}
            {(['offers', 'lead'] as const).map((k) => (
              <label key={k} className="flex min-h-11 items-center gap-2 md:min-h-9"><input type="checkbox" className="size-4 accent-accent" disabled={!manage || put.isPending} checked={m[k]} onChange={(e) => put.mutate({ user: m.user_id, lead: m.lead, offers: m.offers, [k]: e.target.checked })} />{t(`console.team.${k}`)}</label>
            ))}
            {manage && <Button look="quiet" icon="cross" aria-label={t('console.team.remove', { name: m.name })} onClick={() => drop.mutate(m.user_id)} />}
          </li>
        ))}
      </ul>
      {manage && free.length > 0 && <Select className="mt-4 max-w-80" label={t('console.team.add')} value={null} onChange={(user) => put.mutate({ user })} choices={free.map((u) => ({ value: u.id, label: u.name }))} />}
    </Part>
  )
}

const numbers = { accept_seconds: [5, 3600, 45], offers_at_once: [1, 100_000, 1], alarm_seconds: [10, 604_800, 300] } as const

function Offering({ project, pool }: { project: string; pool?: Schemas['Pool'] }) {
  const manage = !!useMay()('routing:manage')
  const [fault, fail] = useState<Record<string, string>>({})
  const save = useMutation({
    mutationFn: (body: Schemas['PoolBody']) => ok(api.PUT('/v1/projects/{id}/pool', { params: { path: { id: project } }, body })),
    onMutate: () => fail({}),
    onSuccess: (now) => {
      took(project)(now)
      say(t('console.people.changed'), { kind: 'good' })
    },
    onError: (e) => fail(formFault(e).fields),
  })
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    const f = new FormData(e.currentTarget)
    const n = (k: string) => Number(f.get(k))
    save.mutate({ accept_seconds: n('accept_seconds'), offers_at_once: n('offers_at_once'), alarm_seconds: n('alarm_seconds'), queue_name: String(f.get('queue_name')).trim() })
  }
  return (
    <Part title={t('console.team.offering')}>
      <form onSubmit={submit} className="grid gap-4">
        {(['accept_seconds', 'offers_at_once', 'alarm_seconds'] as const).map((k) => <Field key={k} name={k} type="number" required disabled={!manage} min={numbers[k][0]} max={numbers[k][1]} defaultValue={pool?.[k] ?? numbers[k][2]} label={t(`console.pool.${k}`)} help={t(`console.poolHelp.${k}`)} fault={fault[k]} inputClass="figures" />)}
        <Field name="queue_name" required disabled={!manage} maxLength={80} defaultValue={pool?.queue_name ?? t('console.pool.unanswered')} label={t('console.pool.queue_name')} help={t('console.poolHelp.queue_name')} fault={fault.queue_name} autoComplete="off" />
        {manage && <div><Button type="submit" look="primary" busy={save.isPending}>{t('console.settings.save')}</Button></div>}
      </form>
    </Part>
  )
}

/** What the policy in force says of hours, holidays, capacity and weights, and where to change it. */
function FromPolicy({ project }: { project: string }) {
  const now = usePolicies().data?.find((p) => p.project_id === project && p.published)
  if (!now) return null
  const r = now.policy
  const limits = (['capacity_open', 'capacity_day', 'cool_down_seconds'] as const).filter((k) => r[k])
  return (
    <Part title={t('console.team.policy')}>
      <dl className="space-y-2 text-sm">
        {limits.map((k) => <div key={k} className="flex justify-between gap-3"><dt className="text-soft">{t(`console.limit.${k}`)}</dt><dd className="figures">{count(r[k]!)}</dd></div>)}
        <div className="flex justify-between gap-3"><dt className="text-soft">{t('console.draft.hours')}</dt><dd>{r.hours?.length ? t('console.team.spans', { count: r.hours.length }) : t('console.draft.always')}</dd></div>
        <div className="flex justify-between gap-3"><dt className="text-soft">{t('console.draft.holidays')}</dt><dd className="ltr figures">{r.holidays?.join(', ') || '–'}</dd></div>
      </dl>
      <p className="mt-3 text-sm text-soft">{t('console.team.policyWords')}</p>
      <Link to="/console/routing/new" search={{ from: now.id }} className="mt-2 inline-block font-medium text-accent underline underline-offset-4">{t('console.routing.draft')}</Link>
    </Part>
  )
}

import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useProjects } from '../console/data'
import { api, ok, type Schemas } from '../lib/api'
import { download } from '../lib/download'
import { count } from '../lib/format'
import { t, useArea } from '../lib/words'
import { Button } from '../ui/button'
import { Dialog } from '../ui/dialog'
import { Field } from '../ui/field'
import { Select } from '../ui/select'
import { Sign } from '../ui/sign'
import { sayFault } from '../ui/toast'

type Filter = Schemas['LeadFilter']

/** Takes leads out with their persons, for a purpose that goes on the record: those of the list, or of a project. */
export function TakeOut({ project, filter, onClose }: { project?: string; filter?: Filter; onClose: () => void }) {
  const area = useQuery({ queryKey: ['words', 'inlet'], staleTime: Infinity, queryFn: () => useArea('inlet').then(() => true) })
  const projects = useProjects().data ?? []
  const [of, choose] = useState(filter ? '=' : project ?? '*')
  const [why, say] = useState('')
  const [id, set] = useState<string | null>(null)
  const make = useMutation({
    mutationFn: () => ok(api.POST('/v1/exports', { body: { purpose: why.trim(), ...(of === '=' ? { filter } : { project_id: of === '*' ? undefined : of }) } })),
    onSuccess: (e) => set(e.id),
    onError: sayFault,
  })
  const one = useQuery({
    queryKey: ['exports', id],
    enabled: !!id,
    queryFn: () => ok(api.GET('/v1/exports/{id}', { params: { path: { id: id! } } })) as Promise<Schemas['Export']>,
    refetchInterval: (q) => (q.state.data?.state === 'running' || !q.state.data ? 700 : false),
  })
  const fetched = useMutation({
    mutationFn: () => download(api.GET('/v1/exports/{id}/file', { params: { path: { id: id! } }, parseAs: 'blob' }), `leads-${new Date().toISOString().slice(0, 10)}.csv`),
    onSuccess: onClose,
    onError: sayFault,
  })
  const stop = useMutation({ mutationFn: () => ok(api.POST('/v1/exports/{id}/cancel', { params: { path: { id: id! } } })), onSettled: onClose })
  if (!area.data) return null
  const e = one.data
  return (
    <Dialog
      open
      onClose={onClose}
      title={t('inlet.export.title')}
      words={id ? undefined : t('inlet.export.words')}
      actions={
        id ? (
          <>
            <Button look="quiet" busy={stop.isPending} onClick={() => stop.mutate()}>{t('inlet.export.cancel')}</Button>
            <Button look="primary" disabled={e?.state !== 'ready'} busy={fetched.isPending} onClick={() => fetched.mutate()}>{t('inlet.export.fetch')}</Button>
          </>
        ) : (
          <>
            <Button look="quiet" onClick={onClose}>{t('common.cancel')}</Button>
            <Button look="primary" disabled={!why.trim()} busy={make.isPending} onClick={() => make.mutate()}>{t('inlet.export.make')}</Button>
          </>
        )
      }
    >
      {id ? (
        <div role="status" className="flex items-center gap-3">
          {e?.state !== 'ready' && <Sign running className="size-6 text-accent" />}
          <p className="figures">{t(e?.state === 'ready' ? 'inlet.export.ready' : 'inlet.export.running', { n: count(e?.rows ?? 0) })}</p>
        </div>
      ) : (
        <div className="grid gap-4">
          <Select label={t('inlet.export.which')} value={of} onChange={choose} choices={[...(filter ? [{ value: '=', label: t('inlet.export.fitting') }] : []), { value: '*', label: t('console.nav.allProjects') }, ...projects.map((p) => ({ value: p.id, label: p.name }))]} />
          <Field label={t('inlet.export.purpose')} help={t('inlet.export.purposeHelp')} value={why} onChange={(x) => say(x.target.value)} maxLength={100} autoComplete="off" />
        </div>
      )}
    </Dialog>
  )
}

package testcontainers

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// aclChange grants or takes back a right of the members' user.
type aclChange struct {
	resource  kmsg.ACLResourceType
	name      string // "*" is all
	operation kmsg.ACLOperation
}

// memberRights are what members need. Each is more than they need of one
// resource: which rights are enough is the matter of another test.
var memberRights = []aclChange{
	{kmsg.ACLResourceTypeTopic, "*", kmsg.ACLOperationAll},
	{kmsg.ACLResourceTypeGroup, "*", kmsg.ACLOperationAll},
	{kmsg.ACLResourceTypeTransactionalId, "*", kmsg.ACLOperationAll},
	{kmsg.ACLResourceTypeCluster, "kafka-cluster", kmsg.ACLOperationAll},
}

// grant gives the members' user a right.
func (k *kafkaServer) grant(t *testing.T, right aclChange) {
	t.Helper()
	req := kmsg.NewPtrCreateACLsRequest()
	one := kmsg.NewCreateACLsRequestCreation()
	one.ResourceType, one.ResourceName, one.ResourcePatternType = right.resource, right.name, kmsg.ACLResourcePatternTypeLiteral
	one.Principal, one.Host = "User:"+appUser, "*"
	one.Operation, one.PermissionType = right.operation, kmsg.ACLPermissionTypeAllow
	req.Creations = append(req.Creations, one)
	res, err := req.RequestWith(t.Context(), k.client)
	if err != nil || res.Results[0].ErrorCode != 0 {
		t.Fatalf("%v, %+v", err, res)
	}
}

// takeBack takes a right away that was given.
func (k *kafkaServer) takeBack(t *testing.T, right aclChange) {
	t.Helper()
	req := kmsg.NewPtrDeleteACLsRequest()
	one := kmsg.NewDeleteACLsRequestFilter()
	principal, host := "User:"+appUser, "*"
	one.ResourceType, one.ResourceName, one.ResourcePatternType = right.resource, &right.name, kmsg.ACLResourcePatternTypeLiteral
	one.Principal, one.Host = &principal, &host
	one.Operation, one.PermissionType = right.operation, kmsg.ACLPermissionTypeAllow
	req.Filters = append(req.Filters, one)
	res, err := req.RequestWith(t.Context(), k.client)
	if err != nil || res.Results[0].ErrorCode != 0 || len(res.Results[0].MatchingACLs) != 1 {
		t.Fatalf("%v, %+v", err, res)
	}
}

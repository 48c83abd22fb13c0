#!/bin/bash
# A notify script for keepalived, in the form that keepalived.conf(5) describes.
TYPE=$1
NAME=$2
STATE=$3
PRIORITY=$4
case $STATE in
	"MASTER") echo "$TYPE $NAME becomes master at $PRIORITY" >>"$(dirname "$0")/said" ;;
	"BACKUP") echo "$TYPE $NAME becomes backup at $PRIORITY" >>"$(dirname "$0")/said" ;;
	"FAULT")  echo "$TYPE $NAME is in fault at $PRIORITY" >>"$(dirname "$0")/said" ;;
	"STOP")   echo "$TYPE $NAME stops at $PRIORITY" >>"$(dirname "$0")/said" ;;
	*)        echo "unknown state $STATE" >&2
	          exit 1 ;;
esac
